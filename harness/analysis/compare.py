"""Two models on the same images: paired differences with intervals, and McNemar's test.

Intervals are 95 % percentiles of a bootstrap over the images that both models have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from statistics import fmean, median
from typing import Literal

from harness.analysis.bootstrap import REPLICATES, Range
from harness.analysis.selection import Selection, chosen_suite, select
from harness.analysis.statistics import CONFIDENCE
from harness.analysis.stored import Rows
from harness.errors import ConfigError
from harness.plugins import unknown
from harness.store.read import cells as queries
from harness.store.read import measurements as measured

EXACT = 1000
"""Up to so many discordant images McNemar's test is the exact binomial one."""

Kind = Literal["accuracy", "success", "distortion", "score"]


@dataclass(frozen=True, slots=True)
class Discordant:
    """Images with a yes of one model alone; ``p`` is McNemar's, two-sided."""

    first: int
    second: int

    @property
    def p(self) -> float:
        return mcnemar(self.first, self.second)


@dataclass(frozen=True, slots=True)
class Difference:
    """First minus second over the images of both, and the 95 % intervals.

    Attributes:
        mean_range, median_range: None under two images.
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


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models of a suite; ``notes`` say what was left aside."""

    suite: str
    dataset: str
    first: str
    second: str
    rows: tuple[Compared, ...]
    notes: tuple[str, ...]


def compare(
    db: Connection,
    first: str,
    second: str,
    *,
    suite: str | None = None,
    attack: str | None = None,
    goal: str | None = None,
) -> Comparison:
    """Two models of a suite, by default the latest run's.

    Args:
        attack: the only attack, by name, label or glob; None: all of the suite, and the scores of
            its measurements.
        goal: the only goal; None: all.

    Raises:
        ConfigError: there are no runs, or no such suite, model, attack or goal.
    """
    suite = chosen_suite(queries.suites(db), suite)
    selections = _selections(db, suite, attack, goal)
    base = selections[0]
    for name in (first, second):
        if name not in base.models:
            raise unknown("model", name, base.models, where=name, see=", ".join(base.models))
    if first == second:
        raise ConfigError("a model cannot be compared with itself", where=first)
    rows = Rows(db)
    pair = first, second
    found = [_accuracy(rows, base, pair)]
    for selection in selections:
        found += _attacked(rows, selection, pair)
    if attack is None:
        found += _scores(rows, base, pair, goal)
    notes = dict.fromkeys(note for selection in selections for note in selection.notes)
    return Comparison(suite, base.dataset, first, second, tuple(found), tuple(notes))


def _selections(
    db: Connection, suite: str, attack: str | None, goal: str | None
) -> list[Selection]:
    """The cells of the attacks asked for, under each goal asked for."""
    definition, cells = queries.definition(db, suite), queries.suite_cells(db, suite)
    labels = dict.fromkeys(
        [entry["label"] for entry in definition["attacks"]]
        + [cell.label for cell in cells if cell.attack is not None]
    )
    if not labels:
        raise ConfigError(f"suite {suite!r} has no attacks", hint="a comparison needs one")

    def chosen(attack: str, goal: str | None) -> Selection:
        return select(suite, definition, cells, attack=attack, goal=goal)

    wanted = list(labels) if attack is None else [chosen(attack, None).attack.label]
    goals = {label: chosen(label, None).attack.goals for label in wanted}
    every = dict.fromkeys(each for those in goals.values() for each in those)
    if goal is not None and goal not in every:
        raise unknown("goal", goal, every, where="--goal", see=", ".join(every))
    return [
        chosen(label, each) for label in wanted for each in goals[label] if goal in (None, each)
    ]


Pair = tuple[str, str]


def _accuracy(rows: Rows, selection: Selection, pair: Pair) -> Compared:
    sides = [rows.predictions(selection.clean.get(model)) for model in pair]
    first, second = ({i: bool(r) for i, r in side.items() if r is not None} for side in sides)
    return _rates("accuracy", "", None, None, first, second)


def _attacked(rows: Rows, selection: Selection, pair: Pair) -> Iterator[Compared]:
    """The success, and under no fixed budget the distortion; nothing where one did not run."""
    attack, goal = selection.attack, selection.goal
    if not all(model in selection.cells for model in pair):
        return
    sides = [rows.outcomes(selection.cells[model], attack.norm) for model in pair]
    ended = [
        {i: row for i, row in side.items() if row and row[0] in ("broken", "robust")}
        for side in sides
    ]
    success = [{i: row[0] == "broken" for i, row in side.items()} for side in ended]
    yield _rates("success", attack.label, goal, attack.norm, *success)
    if attack.budget is None:
        sizes = [
            {i: row[1] for i, row in side.items() if row[0] == "broken" and row[1] is not None}
            for side in ended
        ]
        yield _numbers("distortion", attack.label, goal, attack.norm, *sizes)


def _scores(rows: Rows, base: Selection, pair: Pair, goal: str | None) -> Iterator[Compared]:
    """The scores of the measurements that both models have, with the same parameters."""
    latest: dict[tuple[str, str, str], measured.MeasuredCell] = {}
    twins = [base.cells.get(model) or base.clean.get(model) for model in pair]
    for cell in sorted(measured.measured_cells(rows.db, base.suite), key=lambda c: c.runs[-1]):
        for model, twin in zip(pair, twins, strict=True):
            if twin and (cell.model_id, cell.dataset_id, cell.policy, cell.seed) == (
                *(twin.model_id, twin.dataset_id, twin.policy),
                base.seed,
            ):
                latest[model, cell.label, cell.goal] = cell
    for model, label, its_goal in list(latest):
        other = latest.get((pair[1], label, its_goal))
        if model != pair[0] or other is None or goal not in (None, its_goal):
            continue
        cell = latest[model, label, its_goal]
        for score in cell.scores:
            sides = [
                {
                    image: value
                    for image, value in measured.values(rows.db, each.id, score).items()
                    if image in rows.images(each.runs)
                }
                for each in (cell, other)
            ]
            yield _numbers("score", f"{label} {score}", its_goal, None, *sides)


def _rates(
    kind: Kind,
    title: str,
    goal: str | None,
    norm: str | None,
    first: Mapping[int, bool],
    second: Mapping[int, bool],
) -> Compared:
    both = first.keys() & second.keys()
    discordant = Discordant(
        sum(first[i] and not second[i] for i in both), sum(second[i] and not first[i] for i in both)
    )
    return _compared(kind, title, goal, norm, first, second, discordant)


def _numbers(
    kind: Kind,
    title: str,
    goal: str | None,
    norm: str | None,
    first: Mapping[int, float],
    second: Mapping[int, float],
) -> Compared:
    return _compared(kind, title, goal, norm, first, second, None)


def _compared(
    kind: Kind,
    title: str,
    goal: str | None,
    norm: str | None,
    first: Mapping[int, float],
    second: Mapping[int, float],
    discordant: Discordant | None,
) -> Compared:
    both = sorted(first.keys() & second.keys())
    return Compared(
        *(kind, title, goal, norm, len(both)),
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
        mean_range, median_range = _range(means), _range(medians)
    return Difference(fmean(values), mean_range, median(values), median_range)


def _range(values: Sequence[float]) -> Range:
    import numpy as np

    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def mcnemar(first: int, second: int) -> float:
    """The two-sided p-value that both kinds of discordant images are equally likely.

    Exact binomial for up to `EXACT` of them (McNemar 1947), beyond that the chi-squared statistic
    with continuity correction.
    """
    total = first + second
    if total <= EXACT:
        tail = sum(math.comb(total, k) for k in range(min(first, second) + 1))
        return min(1.0, 2 * tail / (1 << total))
    statistic = max(0, abs(first - second) - 1) ** 2 / total
    return math.erfc(math.sqrt(statistic / 2))
