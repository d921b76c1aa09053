"""The attacks of the study: FGSM, I-FGSM, C&W and EAD."""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 0


@hookimpl
def register_attacks(register: Register) -> None:
    register(
        "fgsm",
        "harness_attacks.fgsm:FGSM",
        version="1",
        summary="Fast gradient sign method: one step (Goodfellow et al. 2015)",
    )
    register(
        "ifgsm",
        "harness_attacks.fgsm:IFGSM",
        version="1",
        summary="Iterative FGSM: T steps of epsilon/T, or the smallest one (Kurakin et al. 2017)",
    )
    register(
        "cw",
        "harness_attacks.cw:CW",
        version="1",
        summary="Carlini & Wagner: the smallest l2 distortion (Carlini & Wagner 2017)",
    )
    register(
        "ead",
        "harness_attacks.ead:EAD",
        version="1",
        summary="Elastic net: the smallest l1 or elastic-net distortion (Chen et al. 2018)",
    )
