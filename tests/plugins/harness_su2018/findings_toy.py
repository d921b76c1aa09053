"""Hand-made evidence: scores and transfer matrices with planted effects."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from harness.api import (
    Attacked,
    Evidence,
    ModelFacts,
    OutcomeRow,
    Rate,
    Status,
    SuiteAttack,
    TransferCell,
    TransferMatrix,
    TrialOutcomes,
)


def attack(label: str, budget: float | None = None, norm: str = "linf") -> SuiteAttack:
    name, *stated = label.split()
    parameters = dict(each.split("=") for each in stated)
    return SuiteAttack(name, label, norm, budget, (), parameters)


class Score(NamedTuple):
    """One model: whether it classifies each image correctly, and what an attack did."""

    right: Mapping[int, bool]
    attacked: Attacked


def outcomes(sizes: Mapping[int, float], confident: int = 0, unknown: int = 0) -> Attacked:
    """``sizes``: distortions in every norm, infinite where the attack failed."""
    judged = {
        image: OutcomeRow(
            status=Status.BROKEN if math.isfinite(size) else Status.ROBUST,
            confident=image < confident,
            **dict.fromkeys(("linf", "l2", "l1", "l0"), size),
            target=None,
            forwards=0,
            backwards=0,
            rounded_status=None,
        )
        for image, size in sizes.items()
    }
    return Attacked("linf", Counter(row.status for row in judged.values()), unknown, judged)


def score(broken: int, robust: int = 0, *, confident: int = 0, unknown: int = 0) -> Score:
    """A model that classifies all its images correctly."""
    sizes = {i: 0.1 if i < broken else math.inf for i in range(broken + robust)}
    return Score(dict.fromkeys(sizes, True), outcomes(sizes, confident, unknown))


def sizes(distortions: Sequence[float], *, errors: int = 0, of: int = 0) -> Score:
    """The distortion of each attacked image; ``errors`` more of ``of`` images are misclassified."""
    attacked = dict(enumerate(distortions))
    right = {i: i < (of or len(attacked)) - errors for i in range(of or len(attacked))}
    return Score(right, outcomes(attacked))


def trial(
    label: str,
    scores: Mapping[str, Score],
    goal: str = "random",
    *,
    budget: float | None = None,
    norm: str = "linf",
    absent: Sequence[str] = (),
) -> TrialOutcomes:
    return TrialOutcomes(
        attack=attack(label, budget, norm),
        goal=goal,
        outcomes={model: each.attacked for model, each in scores.items()},
        right={model: each.right for model, each in scores.items()},
        absent=tuple(absent),
    )


def evidence(
    *trials: TrialOutcomes,
    models: Mapping[str, ModelFacts] | None = None,
    matrices: Sequence[TransferMatrix] = (),
) -> Evidence:
    names = {name for each in trials for name in each.outcomes}
    known = {name: ModelFacts(name, None, None, None) for name in names}
    return Evidence({**known, **(models or {})}, trials, tuple(matrices))


def matrix(
    label: str,
    families: Mapping[str, str | None],
    hits: Callable[[str, str], int | None],
    *,
    images: int = 100,
    budget: float | None = 0.1,
    notes: Sequence[str] = (),
) -> TransferMatrix:
    """An untargeted panel; ``hits`` of source and target, None: the pair is absent."""
    nothing = Rate(0, images)
    cells = {
        (source, target): TransferCell(source, target, Rate(found, images), nothing)
        for source in families
        for target in families
        if (found := images if source == target else hits(source, target)) is not None
    }
    return TransferMatrix(
        "toy",
        attack(label, budget),
        "untargeted",
        1,
        "paper",
        "white",
        tuple(families),
        families,
        cells,
        tuple(notes),
    )
