"""The indicators of a model, and of an attack on it, from the stored rows of a suite."""

from __future__ import annotations

from collections.abc import Collection

from harness.analysis import indicators
from harness.analysis.indicators import Indicator
from harness.analysis.place import Accuracy, accuracy_of
from harness.analysis.results import SuiteResults, Trial
from harness.analysis.rivals import Side, of_rivals
from harness.api import NOT_FINITE, ZERO_GRADIENT, Goal, Status
from harness.store.read import rows

LATE_GAIN = "late_gain"
"""The number that attacks with a loss and a budget return: see `indicators.of_late_gains`."""


def of_model(trial: Trial, model: str, accuracy: Accuracy) -> list[Indicator]:
    """What is said of the model itself, whatever attacks it."""
    twin, clean = trial.twin(model), trial.clean.get(model)
    if twin is None:
        return []
    found: list[Indicator] = []
    if clean is not None:
        tried = trial.results.trials.get(clean.id)
        found += indicators.of_trial(model, tried) if tried else []
        found += indicators.of_margins(model, trial.results.margins(clean.id))
    classes = trial.results.classes(twin.model_id)
    counts = accuracy.correct, accuracy.images, classes, accuracy.published
    return [*found, *indicators.of_accuracy(model, *counts)]


def of_cell(suite: SuiteResults, cell: int) -> tuple[Indicator, ...] | None:
    """What is said of a clean cell's model, or of an attack's results, by their id.

    None: the suite's leaderboards do not show the cell.
    """
    for trial in suite.every_trial:
        for model, own in trial.clean.items():
            if own.id == cell:
                published = trial.model(model).published
                accuracy = accuracy_of(trial.predictions(model), published, "measured")
                return tuple(of_model(trial, model, accuracy))
        for model, own in trial.cells.items():
            if own.id == cell:
                return tuple(of_attack(trial, model))
    return None


def of_attack(trial: Trial, model: str, among: Collection[int] | None = None) -> list[Indicator]:
    """What is said of an attack's results on the model.

    Args:
        among: the only images that count; None: all.
    """
    cell = trial.cells.get(model)
    if cell is None:
        return []
    own, label = Side.of(trial, model, among), trial.attack.label
    numbers = {
        name: {image: value for image, value in stored.items() if image in own.judged}
        for name, stored in rows.numbers(
            trial.results.db, cell.id, (ZERO_GRADIENT, NOT_FINITE, LATE_GAIN)
        ).items()
    }
    robust = [image for image, row in own.judged.items() if row.status is Status.ROBUST]
    late = numbers.get(LATE_GAIN, {})
    found = indicators.of_gradients(
        model,
        label,
        zero=len(numbers.get(ZERO_GRADIENT, ())),
        lost=len(numbers.get(NOT_FINITE, ())),
        attacked=len(own.judged),
    )
    found += indicators.of_late_gains(
        model, label, [late[image] for image in robust if image in late]
    )
    if trial.attack.budget is None and trial.goal == Goal.UNTARGETED and own.iterates:
        found += indicators.of_unbounded(model, label, failed=len(robust), attacked=len(own.judged))
    return [*found, *of_rivals(trial, model, among)]
