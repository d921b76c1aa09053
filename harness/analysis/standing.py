"""Where a model stands: its accuracy, and its robustness under one attack and goal."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from harness.analysis.columns import DEFAULT, models_of
from harness.analysis.margins import mean_range
from harness.analysis.place import Entry, Place
from harness.analysis.results import SuiteResults, Trial
from harness.api.statistics import Range

Kind = Literal["accuracy", "robust accuracy", "distortion"]

REPLICATES = 1000
"""Of the bootstrap of a mean distortion, as the leaderboard's default."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a model with its 95% interval, and how many images it is over."""

    kind: Kind
    value: float
    interval: Range | None
    images: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A model under an attack and goal.

    Attributes:
        norm: of the distortion.
        accuracy: over all images of the runs; None without predictions.
        robustness: robust accuracy under a fixed budget, else the mean distortion over successes;
            None where nothing ran, or nothing was broken.
        cell_key, clean_key: of the stored rows; None where that is not known.
    """

    suite: str
    attack: str
    goal: str
    norm: str
    model: str
    accuracy: Number | None
    robustness: Number | None
    cell_key: str | None
    clean_key: str | None

    @property
    def where(self) -> tuple[str, str, str, str]:
        """What it is matched by."""
        return self.suite, self.attack, self.goal, self.model


def standings(suite: SuiteResults, models: Collection[str] | None = None) -> Iterator[Standing]:
    """Of every attack and goal of a suite with results, and of its models, or of some."""
    if not suite.attacks:
        return
    for trial in suite.trials():
        found = models_of(trial, DEFAULT)
        for model, entry in found.entries.items():
            place = found.places[model]
            if place.status != "not run" and (models is None or model in models):
                yield _standing(trial, entry, place)


def _standing(trial: Trial, entry: Entry, place: Place) -> Standing:
    cell, clean = trial.cells.get(entry.model), trial.clean.get(entry.model)
    accuracy = entry.accuracy
    return Standing(
        suite=trial.suite,
        attack=trial.attack.label,
        goal=trial.goal,
        norm=trial.attack.norm,
        model=entry.model,
        accuracy=None
        if accuracy.measured is None
        else Number("accuracy", accuracy.measured, accuracy.interval, accuracy.images),
        robustness=_robustness(trial, place),
        cell_key=cell.key if cell else None,
        clean_key=clean.key if clean else None,
    )


def _robustness(trial: Trial, place: Place) -> Number | None:
    attack = place.attack
    if attack is None:
        return None
    if trial.attack.budget is not None:
        share, interval = attack.robust_accuracy, attack.robust_accuracy_interval
        if share is None:
            return None
        return Number("robust accuracy", share, interval, attack.outcomes)
    if attack.mean is None:
        return None
    sizes = [size for _, size in sorted(attack.by_image.items())]
    return Number("distortion", attack.mean, mean_range(sizes, REPLICATES), len(sizes))
