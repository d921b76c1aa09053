"""Whether other libraries' attacks are as far from known distances as ours, and why.

    python benchmarks/truth_peers.py [--only faces|ead]

The networks and images are those of `harness.testing.truth`; the tables are in
docs/benchmarks/truth.md. Everybody attacks the same images through one network object, untargeted,
and the harness judges what they return. Libraries that are not installed are left out.

``faces``: FAB and DDN on all images of the maxima of affine functions, by the number of pieces of
the image's own class that tie at the nearest adversarial image: that many faces of the region meet
there. DDN also with the margin as its loss. ``ead``: EAD with more iterations and a larger beta.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from contest_nearest import ORDERS, adv_lib_attack
from numpy.typing import NDArray
from peers import ours
from rivals import Rival, batched, foolbox_attack, installed
from subjects import Subject, known_distances
from torch import Tensor
from truth import SHOWN, shown_ratio

from harness.api import Slots, Stepper
from harness.testing import truth
from harness_attacks.boundary.fab import FAB, FABL2, FABLinf
from harness_attacks.margin import Margin
from harness_attacks.nearest.ddn import DDN
from harness_attacks.nearest.ddn_stepper import DDNStepper
from harness_attacks.penalty.ead import EAD

CURVED = "max-of-affine"
IMAGES = 12
"""Of each network that EAD attacks."""
TIE = 1e-5
"""Pieces whose values differ by less are tied."""


class _ByMargin(DDNStepper):
    def _cotangent(self, logits: Tensor, margin: Margin) -> Tensor:
        return margin.ascent()


class MarginDDN(DDN):
    """DDN with the margin in place of the cross-entropy: to see what that costs."""

    def stepper(self, slots: Slots) -> Stepper:
        return _ByMargin(slots, **self.model_dump())


def fab(norm: str, attack: type[FAB], iterations: int) -> dict[str, Rival]:
    return {
        "harness": ours(attack(iterations=iterations)),
        "autoattack": _authors(norm, iterations),
        "adv-lib": adv_lib_attack("fab", norm=ORDERS[norm], n_iter=iterations),
    }


def _authors(norm: str, iterations: int) -> Rival:
    """The code of FAB's authors, untargeted."""

    def run(subject: Subject, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        from pyautoattack.fab_pt import FABAttack_PT

        attack = FABAttack_PT(subject.network, norm.capitalize(), n_iter=iterations, device="cpu")
        found: Tensor = attack.attack_single_run(images, labels)
        return found

    return batched(run)


def ddn(steps: int) -> dict[str, Rival]:
    return {
        "harness": ours(DDN(steps=steps)),
        "adv-lib": adv_lib_attack("ddn", steps=steps, levels=None),
        "foolbox": foolbox_attack("DDNAttack", steps=steps),
        "harness, the margin as loss": ours(MarginDDN(steps=steps)),
    }


def ead(searches: int, iterations: int, rate: float, beta: float) -> dict[str, Rival]:
    const = 0.1
    mine = EAD(
        search_steps=searches,
        iterations=iterations,
        learning_rate=rate,
        beta=beta,
        initial_const=const,
        abort_early=False,
    )
    theirs = foolbox_attack(
        "EADAttack",
        binary_search_steps=searches,
        steps=iterations,
        initial_stepsize=rate,
        regularization=beta,
        initial_const=const,
        decision_rule="L1",
        abort_early=False,
    )
    return {"harness": ours(mine), "foolbox": theirs}


FACES: Mapping[str, Mapping[str, Mapping[str, Rival]]] = {
    "linf": {
        f"fab-linf, {iterations} iterations": fab("linf", FABLinf, iterations)
        for iterations in (30, 300)
    },
    "l2": {
        "fab-l2, 30 iterations": fab("l2", FABL2, 30),
        **{f"ddn, {steps} steps": ddn(steps) for steps in (100, 1000)},
    },
}
"""By norm and attack: who has it."""
EADS: Mapping[str, Mapping[str, Rival]] = {
    f"{searches} x {iterations}, beta {beta:g}": ead(searches, iterations, rate, beta)
    for searches, iterations, rate, beta in (
        (5, 40, 0.05, 1e-3),
        (5, 40, 0.05, 1e-1),
        (9, 200, 0.02, 1e-3),
        (9, 200, 0.02, 1e-1),
    )
}


def by_faces() -> Iterator[str]:
    """A table for each norm: a row per attack and library, a column per number of faces."""
    network = truth.networks()[CURVED]
    subject = known_distances(network, CURVED, len(truth.images()[1]))
    for norm, attacks in FACES.items():
        known, faces = _known(subject, norm), _faces(network, subject, norm)
        counts = sorted(set(faces.tolist()))
        columns = (f"{_meeting(count)}, {(faces == count).sum()}" for count in counts)
        yield f"| attack | whose | all, {len(faces)} | {' | '.join(columns)} |"
        yield f"|---|---|{'---|' * (len(counts) + 1)}"
        for what, whose, case in _cases(attacks):
            ratios = _ratios(case(subject), subject, norm, known)
            shown = [shown_ratio(ratios.tolist())]
            shown += [shown_ratio(ratios[faces == count].tolist()) for count in counts]
            yield f"| {what} | {whose} | {' | '.join(shown)} |"
        yield ""


def _meeting(faces: int) -> str:
    return "1 face" if faces == 1 else f"{faces} faces"


def by_iterations() -> Iterator[str]:
    """A row per setting and library, a column per network."""
    subjects = [known_distances(truth.networks()[name], name, IMAGES) for name in SHOWN]
    known = [_known(subject, "l1") for subject in subjects]
    yield f"| ead | whose | {' | '.join(SHOWN)} |"
    yield f"|---|---|{'---|' * len(SHOWN)}"
    for what, whose, case in _cases(EADS):
        shown = [
            shown_ratio(_ratios(case(subject), subject, "l1", least).tolist())
            for subject, least in zip(subjects, known, strict=True)
        ]
        yield f"| {what} | {whose} | {' | '.join(shown)} |"


def _cases(attacks: Mapping[str, Mapping[str, Rival]]) -> Iterator[tuple[str, str, Rival]]:
    for what, cases in attacks.items():
        yield from ((what, whose, case) for whose, case in cases.items() if installed(whose))


def _known(subject: Subject, norm: str) -> NDArray[np.float64]:
    network = truth.networks()[subject.name]
    pairs = zip(subject.images, subject.labels.tolist(), strict=True)
    return np.array([network.distance(image, label, norm) for image, label in pairs])


def _faces(network: truth.Network, subject: Subject, norm: str) -> NDArray[np.int64]:
    weights, bias = network.arrays["weights"], network.arrays["bias"]
    found = []
    for image, label in zip(subject.images, subject.labels.tolist(), strict=True):
        pieces = weights[label] @ network.nearest(image, label, norm).point + bias[label]
        found.append(int((pieces > pieces.max() - TIE).sum()))
    return np.array(found)


def _ratios(
    found: Tensor, subject: Subject, norm: str, known: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The distances of what was ``found`` over the smallest ones; failures are infinite."""
    reached = subject.reached(subject.model.predict(found).argmax(1))
    inside = ((found >= 0) & (found <= 1)).flatten(1).all(1)
    away = torch.linalg.vector_norm((found - subject.images).flatten(1), ORDERS[norm], dim=1)
    sizes: NDArray[np.float64] = torch.where(reached & inside, away.double(), math.inf).numpy()
    return sizes / known


TABLES = {"faces": by_faces, "ead": by_iterations}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=list(TABLES))
    options = parser.parse_args()
    for name, table in TABLES.items():
        if options.only in (None, name):
            for line in table():
                print(line, flush=True)


if __name__ == "__main__":
    main()
