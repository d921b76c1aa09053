"""Hand-made evidence: scores and transfer matrices with planted effects."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from harness.analysis.attacks import SuiteAttack
from harness.analysis.findings.evidence import Evidence, Score, Trial
from harness.analysis.results import Model
from harness.analysis.transfer.cells import Rate, TransferCell
from harness.analysis.transfer.matrix import Matrix


def attack(label: str, budget: float | None = None, norm: str = "linf") -> SuiteAttack:
    name, *stated = label.split()
    parameters = dict(each.split("=") for each in stated)
    return SuiteAttack(name, label, norm, budget, (), parameters)


def score(broken: int, robust: int = 0, *, confident: int = 0, unknown: int = 0) -> Score:
    """A model that classifies all its images correctly."""
    sizes = {i: 0.1 if i < broken else math.inf for i in range(broken + robust)}
    return Score(dict.fromkeys(sizes, True), sizes, confident, unknown)


def sizes(distortions: Sequence[float], *, errors: int = 0, of: int = 0) -> Score:
    """The distortion of each attacked image; ``errors`` more of ``of`` images are misclassified."""
    attacked = dict(enumerate(distortions))
    right = {i: i < (of or len(attacked)) - errors for i in range(of or len(attacked))}
    return Score(right, attacked)


def trial(
    label: str,
    scores: Mapping[str, Score],
    goal: str = "random",
    *,
    budget: float | None = None,
    norm: str = "linf",
    absent: Sequence[str] = (),
) -> Trial:
    return Trial(attack(label, budget, norm), goal, scores, tuple(absent))


def evidence(
    *trials: Trial, models: Mapping[str, Model] | None = None, matrices: Sequence[Matrix] = ()
) -> Evidence:
    names = {name for each in trials for name in each.scores}
    known = {name: Model(name, None, None, None) for name in names}
    return Evidence("toy", {**known, **(models or {})}, trials, tuple(matrices))


def matrix(
    label: str,
    families: Mapping[str, str | None],
    hits: Callable[[str, str], int | None],
    *,
    images: int = 100,
    budget: float | None = 0.1,
    notes: Sequence[str] = (),
) -> Matrix:
    """An untargeted panel; ``hits`` of source and target, None: the pair is absent."""
    nothing = Rate(0, images)
    cells = {
        (source, target): TransferCell(source, target, Rate(found, images), nothing)
        for source in families
        for target in families
        if (found := images if source == target else hits(source, target)) is not None
    }
    return Matrix(
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
