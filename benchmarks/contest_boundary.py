"""FAB and DeepFool against adv-lib's, pyautoattack's and foolbox's, in the same steps."""

from __future__ import annotations

import math

import torch
from contest_nearest import adv_lib_attack
from contests import Contest
from rivals import Rival, batched, foolbox_attack
from subjects import Subject
from torch import Tensor

from harness_attacks.boundary.deepfool import DeepFool, DeepFoolLinf
from harness_attacks.boundary.fab import FAB, FABL1, FABL2, FABLinf

STEPS, CLASSES = 50, 9
ORDERS = {"l1": 1, "l2": 2, "linf": math.inf}
ATTACKS: dict[str, type[FAB]] = {"l1": FABL1, "l2": FABL2, "linf": FABLinf}
FOOLS = {"l2": DeepFool, "linf": DeepFoolLinf}


def _authors(norm: str) -> Rival:
    """FAB-T of AutoAttack's code, all targets of each image; the nearest success of each."""

    def run(subject: Subject, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        from pyautoattack.fab_pt import FABAttack_PT

        attack = FABAttack_PT(
            subject.network, norm.capitalize(), n_iter=STEPS, targeted=True, device="cpu"
        )
        best, nearest = images.clone(), torch.full((len(images),), torch.inf)
        for place in range(2, CLASSES + 2):
            attack.target_class = place
            found = attack.attack_single_run(images, labels, is_targeted=True)
            away = torch.linalg.vector_norm((found - images).flatten(1), ORDERS[norm], dim=1)
            nearer = (away > 0) & (away < nearest)
            nearest = torch.where(nearer, away, nearest)
            best = torch.where(nearer[:, None, None, None], found, best)
        return best

    return batched(run)


def _fab(norm: str) -> Contest:
    return Contest(
        f"fab-{norm}",
        norm,
        STEPS,
        {"harness": ATTACKS[norm](iterations=STEPS)},
        {"adv-lib": adv_lib_attack("fab", norm=ORDERS[norm], n_iter=STEPS)},
        goals=("untargeted",),
    )


def _fab_t(norm: str) -> Contest:
    return Contest(
        f"fab-t-{norm}",
        norm,
        CLASSES * STEPS,
        {"harness": ATTACKS[norm](iterations=STEPS, variant="fab-t", targets="logits")},
        {
            "adv-lib": adv_lib_attack(
                "fab", norm=ORDERS[norm], n_iter=STEPS, targeted_restarts=True, restarts=CLASSES
            ),
            "pyautoattack": _authors(norm),
        },
        goals=("untargeted",),
    )


def _deepfool(norm: str) -> Contest:
    return Contest(
        f"deepfool-{norm}",
        norm,
        STEPS,
        {"harness": FOOLS[norm](), "harness, search": FOOLS[norm](final_search=3)},
        {
            "adv-lib": adv_lib_attack("df", norm=ORDERS[norm], steps=STEPS),
            "foolbox": foolbox_attack(f"{norm.capitalize()}DeepFoolAttack", steps=STEPS),
        },
        goals=("untargeted",),
    )


CONTESTS = (
    *(_fab(norm) for norm in ATTACKS),
    *(_fab_t(norm) for norm in ATTACKS),
    *(_deepfool(norm) for norm in FOOLS),
)
