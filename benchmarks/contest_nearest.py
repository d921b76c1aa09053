"""FMN, DDN and sigma-zero against adv-lib's and foolbox's, in the same steps."""

from __future__ import annotations

import math
from typing import Any

from contests import Contest
from rivals import Rival, adv_lib, batched, foolbox_attack

from harness.api import SteppedAttack
from harness_attacks.nearest.ddn import DDN
from harness_attacks.nearest.fmn import FMNL0, FMNL1, FMNL2, PAPER, FMNLinf
from harness_attacks.nearest.sigma_zero import SigmaZero

STEPS = 100
ORDERS = {"l0": 0, "l1": 1, "l2": 2, "linf": math.inf}
ATTACKS: dict[str, type[SteppedAttack]] = {
    "l0": FMNL0,
    "l1": FMNL1,
    "l2": FMNL2,
    "linf": FMNLinf,
}


def adv_lib_attack(name: str, **settings: Any) -> Rival:
    """An attack of adv-lib that minimises a distance."""
    return batched(
        lambda subject, images, labels, targets: getattr(adv_lib(), name)(
            subject.network,
            images,
            targets if subject.targeted else labels,
            targeted=subject.targeted,
            **settings,
        )
    )


def _fmn(norm: str, steps: int) -> Contest:
    attack, capital = ATTACKS[norm], {"linf": "LInf"}.get(norm, norm.upper())
    return Contest(
        f"fmn-{norm}",
        norm,
        steps,
        {
            "harness": attack(steps=steps),
            "harness, the paper's": attack(steps=steps, **PAPER),
        },
        {
            "adv-lib": adv_lib_attack("fmn", norm=ORDERS[norm], steps=steps),
            "foolbox": foolbox_attack(f"{capital}FMNAttack", steps=steps),
        },
    )


CONTESTS = (
    *(_fmn(norm, 90 if norm == "linf" else STEPS) for norm in ATTACKS),
    Contest(
        "ddn",
        "l2",
        STEPS,
        {"harness": DDN(steps=STEPS), "harness, 256 levels": DDN(steps=STEPS, levels=256)},
        {
            "adv-lib, 256 levels": adv_lib_attack("ddn", steps=STEPS),
            "foolbox": foolbox_attack("DDNAttack", steps=STEPS),
        },
    ),
    Contest(
        "sigma-zero",
        "l0",
        STEPS,
        {"harness": SigmaZero(steps=STEPS)},
        {"adv-lib": adv_lib_attack("sigma_zero", num_steps=STEPS)},
        goals=("untargeted",),
    ),
)
