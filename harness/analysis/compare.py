"""Two models on the same images: paired differences with intervals, McNemar's and Wilcoxon's tests.

Intervals are 95% percentiles of a bootstrap over the images that both models have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Literal

from harness.analysis.attacks import WORST
from harness.analysis.bootstrap import REPLICATES
from harness.analysis.budgets import Budgets, Together, as_attacked
from harness.analysis.indicated import of_attack, of_model
from harness.analysis.indicators import Indicator, distinct
from harness.analysis.mcnemar import mcnemar
from harness.analysis.place import accuracy_of
from harness.analysis.results import SuiteResults, Trial
from harness.analysis.signed_rank import Paired, paired
from harness.analysis.worst import trial_of
from harness.api import Status
from harness.api.statistics import Range, quantiles
from harness.errors import ConfigError
from harness.store.read.cells import StoredCell
from harness.store.read.rows import values

Kind = Literal["accuracy", "success", "robust accuracy", "distortion", "score"]


@dataclass(frozen=True, slots=True)
class Discordant:
    """Images that only one model gets right, or that break only one; ``p`` is McNemar's."""

    first: int
    second: int

    @property
    def p(self) -> float:
        return mcnemar(self.first, self.second)


@dataclass(frozen=True, slots=True)
class Difference:
    """First minus second over the images of both, and the 95% intervals.

    Attributes:
        mean_range, median_range: None for fewer than two images.
    """

    mean: float
    mean_range: Range | None
    median: float
    median_range: Range | None


@dataclass(frozen=True, slots=True)
class Compared:
    """One number of both models.

    Attributes:
        title: the attack's label, or measurement and score; empty for the accuracy.
        images: those that both models have: with a prediction, a verdict, broken or measured.
        first, second: the means over them; rates in [0, 1], distortions in pixel space.
        difference: None without such images.
        discordant: of rates.
        ranks: of distortions: the signed-rank test over the images that both were attacked on,
            failures as infinite.
    """

    kind: Kind
    title: str
    goal: str | None
    norm: str | None
    images: int
    first: float | None
    second: float | None
    difference: Difference | None
    discordant: Discordant | None
    ranks: Paired | None = None

    @property
    def p(self) -> float | None:
        """Of McNemar's test, or of the signed-rank test."""
        test = self.discordant or self.ranks
        return None if test is None else test.p


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models of a suite; ``notes`` name what is not shown.

    Attributes:
        indicators: why the models' numbers may not be what they seem.
    """

    suite: str
    dataset: str
    first: str
    second: str
    rows: tuple[Compared, ...]
    notes: tuple[str, ...]
    indicators: tuple[Indicator, ...] = ()


def compare(
    suite: SuiteResults,
    first: str,
    second: str,
    *,
    attack: str | None = None,
    goal: str | None = None,
    at: Budgets | None = None,
) -> Comparison:
    """Two models of a suite.

    Args:
        attack: the only attack, by name, label or glob; None: all of the suite, and the scores of
            its measurements.
        goal: the only goal; None: all; ``at`` budgets untargeted, where it has results.
        at: the budgets of the only robust accuracies to compare; see `budgets.trial_at`.

    Raises:
        ConfigError: there is no such model, attack or goal, or it says nothing at a budget.
    """
    trials = _trials(suite, at, attack, goal)
    if not trials:
        raise suite.no_attacks()
    for name in (first, second):
        suite.known_model(name)
    if first == second:
        raise ConfigError("a model cannot be compared with itself", where=first)
    pair, base = (first, second), trials[0]
    rows = [_accuracy(base, pair)]
    for trial in trials:
        rows += _attacked(trial, pair)
    if attack is None and at is None:
        rows += _scores(base, pair, goal)
    notes = dict.fromkeys(note for trial in trials for note in trial.notes)
    return Comparison(
        suite=suite.name,
        dataset=base.dataset,
        first=first,
        second=second,
        rows=tuple(rows),
        notes=tuple(notes),
        indicators=tuple(_indicators(trials, pair)),
    )


def _indicators(trials: Sequence[Trial], pair: Pair) -> Iterator[Indicator]:
    """Of the models themselves, and of the attacks on them as they were run."""
    base = trials[0]
    for model in pair:
        accuracy = accuracy_of(base.predictions(model), base.model(model).published, "measured")
        yield from of_model(base, model, accuracy)
        yield from distinct(
            sign
            for trial in trials
            for each in as_attacked(trial)
            for sign in of_attack(each, model)
        )


Pair = tuple[str, str]


def _trials(
    suite: SuiteResults, at: Budgets | None, attack: str | None, goal: str | None
) -> Sequence[Trial]:
    """The attacks, at these budgets if any; and where several are one, first each by itself."""
    several = attack is not None and attack.startswith(WORST)
    if at is None and not several:
        return suite.trials(attack, goal)
    trial = trial_of(suite, attack, goal, at)
    return [*trial.parts, trial] if isinstance(trial, Together) else [trial]


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a row of the comparison is of; the fields are those of `Compared`."""

    kind: Kind
    title: str = ""
    goal: str | None = None
    norm: str | None = None


def _accuracy(trial: Trial, pair: Pair) -> Compared:
    first, second = (
        {image: right for image, right in trial.predictions(model).items() if right is not None}
        for model in pair
    )
    return _rates(_Subject("accuracy"), first, second)


def _attacked(trial: Trial, pair: Pair) -> Iterator[Compared]:
    """The success, and the robust accuracy under a fixed budget, else the distortion.

    Nothing where one did not run.
    """
    attack, goal = trial.attack, trial.goal
    if not all(model in trial.cells for model in pair):
        return
    outcomes = [
        {image: row for image, row in trial.outcomes(model).items() if row} for model in pair
    ]
    judged = [{image: row for image, row in side.items() if row.status.judged} for side in outcomes]
    first, second = (
        {image: row.status is Status.BROKEN for image, row in side.items()} for side in judged
    )
    yield _rates(_Subject("success", attack.label, goal, attack.norm), first, second)
    if attack.fixed:
        stays, still = (
            {image: row.status is Status.ROBUST for image, row in side.items()} for side in outcomes
        )
        yield _rates(_Subject("robust accuracy", attack.label, goal, attack.norm), stays, still)
    else:
        less, more = (
            {
                image: size
                for image, row in side.items()
                if (size := row.distortion(attack.norm)) is not None
            }
            for side in judged
        )
        found = _compared(_Subject("distortion", attack.label, goal, attack.norm), less, more)
        one, other = (
            {image: sizes.get(image, math.inf) for image in side}
            for side, sizes in zip(judged, (less, more), strict=True)
        )
        yield replace(found, ranks=paired(one, other))


def _scores(base: Trial, pair: Pair, goal: str | None) -> Iterator[Compared]:
    """The scores of the measurements that both models have, with the same parameters."""
    results = base.results
    first, second = (_newest(base.measured(model)) for model in pair)
    for subject, cell in first.items():
        other = second.get(subject)
        label, its_goal = subject
        if other is None or goal not in (None, its_goal):
            continue
        for score in results.scores.get(cell.id, ()):
            mine, its = (
                {
                    image: value
                    for image, value in values(results.db, each.id, score).items()
                    if image in results.images(each.runs)
                }
                for each in (cell, other)
            )
            yield _compared(_Subject("score", f"{label} {score}", its_goal), mine, its)


def _newest(cells: Iterable[StoredCell]) -> dict[tuple[str, str | None], StoredCell]:
    """By label and goal the cell of the latest run."""
    return {
        (cell.task.label, cell.goal): cell
        for cell in sorted(cells, key=lambda cell: cell.runs[-1])
        if cell.task is not None
    }


def _rates(subject: _Subject, first: Mapping[int, bool], second: Mapping[int, bool]) -> Compared:
    both = first.keys() & second.keys()
    discordant = Discordant(
        sum(first[i] and not second[i] for i in both), sum(second[i] and not first[i] for i in both)
    )
    return _compared(subject, first, second, discordant)


def _compared(
    subject: _Subject,
    first: Mapping[int, float],
    second: Mapping[int, float],
    discordant: Discordant | None = None,
) -> Compared:
    both = sorted(first.keys() & second.keys())
    return Compared(
        kind=subject.kind,
        title=subject.title,
        goal=subject.goal,
        norm=subject.norm,
        images=len(both),
        first=fmean(first[image] for image in both) if both else None,
        second=fmean(second[image] for image in both) if both else None,
        difference=difference([first[image] - second[image] for image in both]) if both else None,
        discordant=discordant,
    )


def difference(
    values: Sequence[float], *, replicates: int = REPLICATES, seed: int = 0
) -> Difference:
    """The mean and the median of paired differences (at least one), with bootstrap intervals."""
    mean_range = median_range = None
    if len(values) > 1:
        import numpy as np

        sizes = np.asarray(values, float)
        random = np.random.default_rng(seed)
        means, medians = [], []
        for _ in range(replicates):
            drawn = sizes[random.integers(len(sizes), size=len(sizes))]
            means.append(drawn.mean())
            medians.append(np.median(drawn))
        mean_range, median_range = quantiles(means), quantiles(medians)
    return Difference(fmean(values), mean_range, median(values), median_range)
