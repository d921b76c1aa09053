"""The joint board: each robustness metric of a suite with a frontier of its own, and joint ranks.

Metrics are the distortions of attacks that minimise them, scores that estimate a distance (CLEVER)
and psi. A model's joint rank is that of the mean of its ranks over the metrics that have a distance
for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection
from statistics import fmean

from harness.analysis.board import ImagesOf, Models, models_of, point_of, sample_of, unit_of
from harness.analysis.bootstrap import Intervals, intervals
from harness.analysis.common import Common
from harness.analysis.entry import Accuracy, AccuracyOf
from harness.analysis.frontier import Frontier, frontier, placings, ranks
from harness.analysis.joint_columns import Column, of_attack, of_scores, selections_of
from harness.analysis.joint_columns import Place as Place
from harness.analysis.readings import Correlation, rank_correlation
from harness.analysis.reference import Reference, References
from harness.analysis.selection import BoardAttack, chosen_suite
from harness.analysis.stored import Rows
from harness.errors import ConfigError
from harness.store.read import cells as queries


@dataclass(frozen=True, slots=True)
class MetricBoard:
    """One metric: an attack's distortion, or a measurement's score.

    Attributes:
        title: the attack's label, or measurement and score.
        attack: None for a score.
        norm: of the distances; None where the metric is no distance.
        frontier: the Pareto-optimal models and the fit through them.
        places: of every model of the board.
        intervals: of the bootstrap, where it was asked for.
        reference: the fit that distances are measured from; None: the frontier's own.
    """

    title: str
    attack: BoardAttack | None
    norm: str | None
    goal: str
    frontier: Frontier
    places: Mapping[str, Place]
    intervals: Intervals | None = None
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class JointRow:
    """One model over all metrics.

    Attributes:
        metrics: in how many it has a distance; ``mean_rank`` is over these.
        rank: of ``mean_rank``; equals share it.
        doubts: why its numbers may not be what they seem, one line each.
    """

    model: str
    family: str | None
    parameters: int | None
    accuracy: Accuracy
    top1: float | None
    rank: int | None
    mean_rank: float | None
    metrics: int
    complete: bool
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JointBoard:
    """All models of a suite under all its robustness metrics of a goal, by joint rank.

    Attributes:
        correlations: of each score with each attack.
        notes: what was chosen without being asked for, or left aside.
    """

    suite: str
    dataset: str
    goal: str
    seed: int
    accuracy: AccuracyOf
    metrics: tuple[MetricBoard, ...]
    rows: tuple[JointRow, ...]
    correlations: tuple[Correlation, ...]
    common: Common | None
    notes: tuple[str, ...]


def joint(
    db: Connection,
    *,
    suite: str | None = None,
    goal: str | None = None,
    accuracy: AccuracyOf = "measured",
    images: ImagesOf = "all",
    references: References | None = None,
    replicates: int | None = None,
) -> JointBoard:
    """The joint board of a suite, by default the latest run's, and a goal, by default random.

    Args:
        references: fits to measure distances from; metrics without one are left out.
        replicates: of the bootstrap; None: no intervals.

    Raises:
        ConfigError: there are no runs, or no such suite or goal, or no metric; or ``references``
            have no fit for any metric.
    """
    suite = chosen_suite(queries.suites(db), suite)
    selections, notes = selections_of(db, suite, goal)
    rows, base = Rows(db), selections[0]
    found = [models_of(rows, each, accuracy=accuracy, images=images) for each in selections]
    columns = [
        of_attack(selection, models, images)
        for selection, models in zip(selections, found, strict=True)
        if selection.attack.budget is None
    ]
    if images == "all":
        columns += of_scores(rows, base, found[0], notes)
    else:
        notes.append("scores of measurements, being over all images, are left out")
    metrics = []
    for column in columns:
        reference = references.find(column.metric) if references else None
        if references is None or reference is not None:
            metrics.append(_placed(column, accuracy, reference, replicates))
        else:
            notes.append(f"left out, for {references.where} has no fit: {column.metric.title}")
    if not metrics:
        if references and columns:
            raise references.lacking(", ".join(column.metric.exact for column in columns))
        raise ConfigError(
            f"suite {suite!r} has no metric of robustness for goal {base.goal}",
            hint="a joint board needs attacks that minimise the distortion, or measurements",
        )
    return JointBoard(
        suite=suite,
        dataset=base.dataset,
        goal=base.goal,
        seed=base.seed,
        accuracy=accuracy,
        metrics=tuple(metrics),
        rows=_joined(found, metrics),
        correlations=tuple(_correlations(metrics)),
        common=found[0].common,
        notes=tuple(dict.fromkeys([*notes, *(note for each in selections for note in each.notes)])),
    )


def _placed(
    column: Column, accuracy: AccuracyOf, reference: Reference | None, replicates: int | None
) -> MetricBoard:
    """The metric's frontier, and every model's distance, rank and interval."""
    points, samples = {}, {}
    for entry in column.models.entries:
        robustness = column.places[entry.model].robustness
        unit = unit_of(entry.pixels, reference)
        if robustness is None or unit is None:
            continue
        point = point_of(entry.model, entry.accuracy, accuracy, robustness / unit)
        if point is not None:
            points[entry.model] = point
            values = column.values[entry.model]
            samples[entry.model] = sample_of(entry, column.models, accuracy, unit, values)
    curve = frontier(list(points.values()))
    found = None
    if replicates is not None:
        fit = reference.fit if reference else None
        found = intervals(samples, replicates=replicates, fit=fit)
    placing = placings(points, curve.members, reference or curve)
    distances = {model: each.distance for model, each in placing.items()}
    order = ranks({model: value for model, value in distances.items() if value is not None})
    places = {}
    for model, place in column.places.items():
        if model in placing:
            place = replace(
                place,
                rank=order.get(model),
                on_frontier=placing[model].on_frontier,
                fitted=placing[model].fitted,
                distance=placing[model].distance,
                extrapolated=placing[model].extrapolated,
                spread=found.spreads[model] if found else None,
            )
        places[model] = place
    metric = column.metric
    return MetricBoard(
        metric.title, column.attack, metric.norm, metric.goal, curve, places, found, reference
    )


def _joined(found: Sequence[Models], metrics: Sequence[MetricBoard]) -> tuple[JointRow, ...]:
    """The rows, best first; what has no distance in any metric comes last without a rank."""
    entries, means = found[0].entries, {}
    doubts: dict[str, dict[str, None]] = {}
    for entry in (entry for models in found for entry in models.entries):
        doubts.setdefault(entry.model, {}).update(dict.fromkeys(entry.doubts))
    for entry in entries:
        own = [rank for metric in metrics if (rank := metric.places[entry.model].rank) is not None]
        if own:
            means[entry.model] = fmean(own), len(own)
    order = ranks({model: -mean for model, (mean, _) in means.items()})
    rows = []
    for entry in entries:
        mean, count = means.get(entry.model, (None, 0))
        rows.append(
            JointRow(
                model=entry.model,
                family=entry.family,
                parameters=entry.parameters,
                accuracy=entry.accuracy,
                top1=entry.top1,
                rank=order.get(entry.model),
                mean_rank=mean,
                metrics=count,
                complete=all(each.places[entry.model].status == "complete" for each in metrics),
                doubts=tuple(doubts[entry.model]),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.rank or math.inf, -(row.top1 or 0), row.model)))


def _correlations(metrics: Sequence[MetricBoard]) -> Iterator[Correlation]:
    """Of every score with every attack, over the models that have both."""
    attacks = [metric for metric in metrics if metric.attack is not None]
    for score in metrics:
        if score.attack is None:
            for attack in attacks:
                yield rank_correlation(score.title, attack.title, _means(score), _means(attack))


def _means(metric: MetricBoard) -> dict[str, float]:
    return {
        model: place.robustness
        for model, place in metric.places.items()
        if place.robustness is not None
    }
