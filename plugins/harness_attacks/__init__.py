"""The attacks of the study: FGSM and I-FGSM."""

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
