"""The attacks of the study, FGSM, I-FGSM, C&W and EAD, and strong ones in every norm."""

from __future__ import annotations

from harness.api import Register, hookimpl

HARNESS_API = 1
HARNESS_EXAMPLES = "harness_attacks.examples:EXAMPLES"


ATTACKS = (
    (
        "fab-l1",
        "boundary.fab:FABL1",
        "Fast adaptive boundary: the smallest l1 distortion (Croce & Hein 2020)",
    ),
    (
        "fab-l2",
        "boundary.fab:FABL2",
        "Fast adaptive boundary: the smallest l2 distortion (Croce & Hein 2020)",
    ),
    (
        "fab-linf",
        "boundary.fab:FABLinf",
        "Fast adaptive boundary: the smallest linf distortion (Croce & Hein 2020)",
    ),
    ("fgsm", "sign.fgsm:FGSM", "Fast gradient sign method: one step (Goodfellow et al. 2015)"),
    (
        "ifgsm",
        "sign.fgsm:IFGSM",
        "Iterative FGSM: T steps of epsilon/T, or the smallest one (Kurakin et al. 2017)",
    ),
    ("cw", "penalty.cw:CW", "Carlini & Wagner: the smallest l2 distortion (Carlini & Wagner 2017)"),
    (
        "autoattack-l1",
        "autoattack:AutoAttackL1",
        "AutoAttack in l1, but for Square: APGD, APGD-T, FAB-T (Croce & Hein 2021)",
    ),
    (
        "autoattack-l2",
        "autoattack:AutoAttackL2",
        "AutoAttack in l2: APGD, APGD-T, FAB-T and Square in order (Croce & Hein 2020)",
    ),
    (
        "autoattack-linf",
        "autoattack:AutoAttackLinf",
        "AutoAttack in linf: APGD, APGD-T, FAB-T and Square in order (Croce & Hein 2020)",
    ),
    (
        "ddn",
        "nearest.ddn:DDN",
        "Decoupled direction and norm: the smallest l2 distortion (Rony et al. 2019)",
    ),
    (
        "deepfool",
        "boundary.deepfool:DeepFool",
        "DeepFool: steps to the nearest linearised boundary (Moosavi-Dezfooli et al. 2016)",
    ),
    (
        "deepfool-linf",
        "boundary.deepfool:DeepFoolLinf",
        "DeepFool in linf (Moosavi-Dezfooli et al. 2016, section 3.3)",
    ),
    (
        "ead",
        "penalty.ead:EAD",
        "Elastic net: the smallest l1 or elastic-net distortion (Chen et al. 2018)",
    ),
    ("apgd-l1", "ascent.apgd:APGDL1", "Auto-PGD within an l1 ball (Croce & Hein 2021)"),
    ("apgd-l2", "ascent.apgd:APGDL2", "Auto-PGD within an l2 ball (Croce & Hein 2020)"),
    ("apgd-linf", "ascent.apgd:APGDLinf", "Auto-PGD within an linf ball (Croce & Hein 2020)"),
    (
        "fmn-l0",
        "nearest.fmn:FMNL0",
        "Fast minimum-norm: the smallest l0 distortion (Pintor et al. 2021)",
    ),
    (
        "fmn-l1",
        "nearest.fmn:FMNL1",
        "Fast minimum-norm: the smallest l1 distortion (Pintor et al. 2021)",
    ),
    (
        "fmn-l2",
        "nearest.fmn:FMNL2",
        "Fast minimum-norm: the smallest l2 distortion (Pintor et al. 2021)",
    ),
    (
        "fmn-linf",
        "nearest.fmn:FMNLinf",
        "Fast minimum-norm: the smallest linf distortion (Pintor et al. 2021)",
    ),
    (
        "pgd-l1",
        "ascent.pgd:PGDL1",
        "Projected gradient descent within an l1 ball (Tramer & Boneh 2019)",
    ),
    (
        "pgd-l2",
        "ascent.pgd:PGDL2",
        "Projected gradient descent within an l2 ball (Madry et al. 2018)",
    ),
    (
        "pgd-linf",
        "ascent.pgd:PGDLinf",
        "Projected gradient descent within an linf ball (Madry et al. 2018)",
    ),
    (
        "sigma-zero",
        "nearest.sigma_zero:SigmaZero",
        "Sigma-zero: the fewest changed values (Cina et al. 2025)",
    ),
    (
        "square-l2",
        "square.parameters:SquareL2",
        "Square attack in l2: random search by scores alone (Andriushchenko et al. 2020)",
    ),
    (
        "square-linf",
        "square.parameters:SquareLinf",
        "Square attack in linf: random search by scores alone (Andriushchenko et al. 2020)",
    ),
)
"""Of each its name, its class within this package, and what it is; all are in their version 1."""


@hookimpl
def register_attacks(register: Register) -> None:
    for name, target, summary in ATTACKS:
        register(name, f"harness_attacks.{target}", version="1", summary=summary)
