"""The ranks of a suite's models under one attack, as far as the images tell models apart.

Every pair of models is tested on the same images, by distances with failures as infinite or, under
a fixed budget, by whether they stay right; the p-values are adjusted for the number of pairs. A
model's rank lies between 1 + the models that are more robust by these tests and all models less
those that are less robust: with Holm's control the ranks of all models lie within their ranges in
95% of samples (Mogstad, Romano, Shaikh and Wilhelm 2024, Review of Economic Studies 91:1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

from harness.analysis.columns import Choice, Models, models_of
from harness.analysis.common import Common
from harness.analysis.multiple import Control, adjusted
from harness.analysis.place import Entry, Place
from harness.analysis.placing import ranks
from harness.analysis.results import SuiteResults, Trial
from harness.analysis.signed_rank import Paired, paired
from harness.api.attacked import Attacked
from harness.api.statistics import CONFIDENCE
from harness.errors import ConfigError

LEVEL = 1 - CONFIDENCE


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models; ``p`` is adjusted for all pairs."""

    first: str
    second: str
    test: Paired
    p: float

    @property
    def better(self) -> str | None:
        """The one that is the more robust; None where the images do not tell."""
        if self.p > LEVEL or not self.test.favours:
            return None
        return self.first if self.test.favours > 0 else self.second

    @property
    def worse(self) -> str | None:
        """The other one of the two."""
        return None if self.better is None else self.other(self.better)

    def other(self, name: str) -> str:
        return self.second if name == self.first else self.first

    def ties(self, name: str) -> bool:
        """Whether it is of this model, and does not tell it from the other."""
        return self.better is None and name in (self.first, self.second)


@dataclass(frozen=True, slots=True)
class Ranked:
    """One model.

    Attributes:
        value: the median distance with failures as infinite, or the robust accuracy.
        rank: by ``value``; equals share it.
        low, high: the ranks that the tests leave it.
        tied: the models that it is not told apart from.
        next: its test against the next row; None for the last one.
    """

    entry: Entry
    place: Place
    value: float
    rank: int
    low: int
    high: int
    tied: tuple[str, ...]
    next: Pair | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The models with outcomes, the most robust first.

    Attributes:
        pairs: of all of them.
        without: the models that have no outcomes.
    """

    trial: Trial
    control: Control
    rows: tuple[Ranked, ...]
    pairs: tuple[Pair, ...]
    without: tuple[str, ...]
    common: Common | None


def ranking(suite: SuiteResults, choice: Choice, control: Control) -> Ranking:
    """The models of a suite under one attack and goal.

    Raises:
        ConfigError: there is no such attack or goal, or it says nothing at the budget, or fewer
            than two models have outcomes.
    """
    trial = choice.trial(suite)
    models = models_of(trial, choice)
    values = _values(models)
    if len(values) < 2:
        raise ConfigError(
            f"{trial.attack.label} has outcomes of {len(values)} model(s), goal {trial.goal}",
            where="--ranks",
            hint="ranks need two models",
        )
    order = ranks(values)
    names = sorted(order, key=lambda name: (order[name], name))
    pairs = pairs_of({name: by_image(models.places[name], trial) for name in names}, control)
    between = {(pair.first, pair.second): pair for pair in pairs}
    following = {one: between[one, other] for one, other in pairwise(names)}
    return Ranking(
        trial=trial,
        control=control,
        rows=tuple(
            Ranked(
                entry=models.entries[name],
                place=models.places[name],
                value=values[name],
                rank=order[name],
                low=1 + sum(pair.worse == name for pair in pairs),
                high=len(names) - sum(pair.better == name for pair in pairs),
                tied=tuple(pair.other(name) for pair in pairs if pair.ties(name)),
                next=following.get(name),
            )
            for name in names
        ),
        pairs=pairs,
        without=tuple(name for name in models.entries if name not in values),
        common=models.common,
    )


def by_image(place: Place, trial: Trial) -> Mapping[int, float]:
    """How robust each image is: its distance, infinite unless broken; or whether it stays right.

    Distances are of the images with a verdict; under a fixed budget a misclassified one counts too.
    """
    attack = _attack(place)
    if trial.attack.fixed:
        return {image: float(robust) for image, robust in attack.robust.items()}
    return {image: attack.by_image.get(image, math.inf) for image in attack.judged}


def _attack(place: Place) -> Attacked:
    assert place.attack is not None
    return place.attack


def _values(models: Models) -> dict[str, float]:
    found = {}
    for name, place in models.places.items():
        attack = _attack(place)
        fixed = models.trial.attack.fixed
        value = attack.robust_accuracy if fixed else attack.median_all
        if place.status != "not run" and value is not None:
            found[name] = value
    return found


def pairs_of(numbers: Mapping[str, Mapping[int, float]], control: Control) -> tuple[Pair, ...]:
    """Every two of the models, each with its numbers by image, larger is more robust."""
    every = [
        (one, other, paired(numbers[one], numbers[other]))
        for one, other in combinations(numbers, 2)
    ]
    found = adjusted([test.p for _, _, test in every], control)
    return tuple(Pair(*each, p) for each, p in zip(every, found, strict=True))
