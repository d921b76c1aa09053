"""The leaderboard: stored rows become one entry a model, and a frontier through them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection
from typing import Literal

from harness.analysis.bootstrap import Intervals, Sample, intervals
from harness.analysis.common import Common, common_images
from harness.analysis.doubts import doubts, of_gradients
from harness.analysis.entry import Accuracy, AccuracyOf, Entry, entry_of
from harness.analysis.frontier import Frontier, Point, frontier, placings
from harness.analysis.metrics import metrics_of
from harness.analysis.readings import model_readings
from harness.analysis.reference import Metric, Reference, References
from harness.analysis.selection import BoardAttack, Selection, chosen_suite, select
from harness.analysis.stored import Outcomes, Predictions, Rows
from harness.errors import ConfigError
from harness.plugins import Catalog
from harness.store.read import cells as queries

SortBy = Literal["frontier", "accuracy", "distortion", "success"]
ImagesOf = Literal["all", "common"]


@dataclass(frozen=True, slots=True)
class Board:
    """All models of a suite under one attack and goal, ranked.

    Attributes:
        frontier: the Pareto-optimal models and the fit through them.
        common: the only images whose outcomes count; None: all.
        reference: the fit that distances are measured from; None: the frontier's own.
        intervals: of the bootstrap, where it was asked for.
        notes: what is to be said of the metrics.
    """

    selection: Selection
    accuracy: AccuracyOf
    sort: SortBy
    frontier: Frontier
    entries: tuple[Entry, ...]
    common: Common | None = None
    reference: Reference | None = None
    intervals: Intervals | None = None
    notes: tuple[str, ...] = ()


def leaderboard(
    db: Connection,
    *,
    suite: str | None = None,
    attack: str | None = None,
    goal: str | None = None,
    accuracy: AccuracyOf = "measured",
    sort: SortBy = "frontier",
    images: ImagesOf = "all",
    references: References | None = None,
    replicates: int | None = None,
    catalog: Catalog | None = None,
) -> Board:
    """The board of a database; by default of the latest run's suite.

    With ``common`` images only the outcomes of those that every model classifies correctly count;
    accuracies stay those of all images.

    Args:
        references: fits to measure distances from, instead of the frontier's own.
        replicates: of the bootstrap; None: no intervals.
        catalog: whose metrics are computed; None: none are.

    Raises:
        ConfigError: there are no runs, or no such suite, attack or goal; or ``references`` have no
            fit for the board; or ``sort`` is by distortion, under a fixed budget.
    """
    suite = chosen_suite(queries.suites(db), suite)
    selection = select(
        suite,
        queries.definition(db, suite),
        queries.suite_cells(db, suite),
        attack=attack,
        goal=goal,
    )
    if sort == "distortion" and selection.attack.budget is not None:
        raise ConfigError(
            f"{_fixed(selection.attack)}, and ranks no model",
            where="--sort",
            hint="--sort success ranks by how rarely it succeeds",
        )
    reference = None
    if references is not None:
        if selection.attack.budget is not None:
            raise ConfigError(
                _fixed(selection.attack),
                where=references.where,
                hint="choose an attack that minimises the distortion",
            )
        reference = references.get(metric_of(selection.attack, selection.goal, images))
    found = models_of(Rows(db), selection, accuracy=accuracy, images=images)
    entries = found.entries
    metrics = metrics_of(db, selection, catalog, found.common) if catalog else None
    if metrics is not None:
        entries = tuple(replace(e, metrics=metrics.values.get(e.model, {})) for e in entries)
    if images == "all":  # readings are those of all images
        readings = model_readings(db, selection)
        entries = tuple(replace(entry, readings=readings[entry.model]) for entry in entries)
    board = build(
        selection, entries, accuracy=accuracy, sort=sort, common=found.common, reference=reference
    )
    if metrics is not None:
        board = replace(board, notes=metrics.notes)
    if replicates is None or selection.attack.budget is not None:
        return board
    samples = {
        entry.model: sample_of(entry, found, accuracy, unit)
        for entry in board.entries
        if _point(entry, accuracy, reference) and (unit := unit_of(entry.pixels, reference))
    }
    spread = intervals(samples, replicates=replicates, fit=reference.fit if reference else None)
    entries = tuple(replace(e, spread=spread.spreads.get(e.model)) for e in board.entries)
    return replace(board, entries=entries, intervals=spread)


def metric_of(attack: BoardAttack, goal: str, images: ImagesOf) -> Metric:
    """What an attack's board is of, to find a reference by."""
    return Metric(
        title=attack.label,
        name=attack.name,
        norm=attack.norm,
        goal=goal,
        attack=True,
        common=images == "common",
    )


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a selection, and what is known of them image by image.

    Attributes:
        distortions: of the broken images that count.
        common: the only images whose outcomes count; None: all.
    """

    entries: tuple[Entry, ...]
    predictions: Mapping[str, Predictions]
    distortions: Mapping[str, Mapping[int, float]]
    common: Common | None


def models_of(
    rows: Rows, selection: Selection, *, accuracy: AccuracyOf, images: ImagesOf
) -> Models:
    """The models of chosen cells, before any frontier."""
    norm, models = selection.attack.norm, selection.models
    predictions = {model: rows.predictions(selection.clean.get(model)) for model in models}
    common = common_images(predictions) if images == "common" else None
    entries, distortions = [], {}
    for model in models:
        outcomes = rows.outcomes(selection.cells.get(model), norm)
        entries.append(
            _entry(rows.db, selection, model, predictions[model], outcomes, accuracy, common)
        )
        distortions[model] = {
            image: row[1]
            for image, row in outcomes.items()
            if row is not None
            and row[0] == "broken"
            and row[1] is not None
            and (common is None or image in common.images)
        }
    return Models(tuple(entries), predictions, distortions, common)


def sample_of(
    entry: Entry,
    models: Models,
    accuracy: AccuracyOf,
    unit: float,
    values: Mapping[int, float] | None = None,
) -> Sample:
    """What the bootstrap resamples of a model: its distortions, or ``values``, in ``unit``."""
    predictions = models.predictions[entry.model]
    values = models.distortions[entry.model] if values is None else values
    return Sample(
        {image: right for image, right in predictions.items() if right is not None},
        {image: value / unit for image, value in values.items()},
        entry.top1 if accuracy == "published" else None,
    )


def build(
    selection: Selection,
    entries: Sequence[Entry],
    *,
    accuracy: AccuracyOf,
    sort: SortBy,
    common: Common | None = None,
    reference: Reference | None = None,
) -> Board:
    """The frontier through ``entries``, their distances, and their ranks."""
    points = {
        entry.model: point for entry in entries if (point := _point(entry, accuracy, reference))
    }
    curve = _frontier(selection, list(points.values()))
    places = placings(points, curve.members, reference or curve)
    placed = [
        replace(
            entry,
            on_frontier=place.on_frontier,
            fitted=place.fitted,
            distance=place.distance,
            extrapolated=place.extrapolated,
        )
        if (place := places.get(entry.model))
        else entry
        for entry in entries
    ]
    return Board(selection, accuracy, sort, curve, _ranked(placed, sort), common, reference)


def _frontier(selection: Selection, points: Sequence[Point]) -> Frontier:
    """No frontier under a fixed budget: every success then lies about at the budget."""
    if selection.attack.budget is not None:
        return Frontier((), None, _fixed(selection.attack))
    return frontier(points)


def _fixed(attack: BoardAttack) -> str:
    return f"{attack.label} has a fixed budget, so its distortion says little"


def unit_of(pixels: int | None, reference: Reference | None) -> float | None:
    """What a model's robustness is divided by; None where that is not known."""
    return pixels if reference is not None and reference.per_pixel else 1.0


def _point(entry: Entry, accuracy: AccuracyOf, reference: Reference | None) -> Point | None:
    """Where the model lies; None without an accuracy, a success or a known unit."""
    robustness, unit = entry.attack.mean, unit_of(entry.pixels, reference)
    if entry.top1 is None or robustness is None or unit is None:
        return None
    return point_of(entry.model, entry.accuracy, accuracy, robustness / unit)


def point_of(model: str, clean: Accuracy, accuracy: AccuracyOf, robustness: float) -> Point | None:
    """A point on the board; None where the model has no such accuracy."""
    if accuracy == "measured":
        return Point(model, clean.correct, clean.images, robustness) if clean.images else None
    if clean.published is None:
        return None
    return Point(model, 100 * clean.published, 100, robustness)


def _ranked(entries: Sequence[Entry], sort: SortBy) -> tuple[Entry, ...]:
    """Best first; equals share a rank, and what has no value comes last without one."""

    def value(entry: Entry) -> float | None:
        if sort == "accuracy":
            return entry.top1
        if sort == "success":
            return None if entry.attack.success is None else -entry.attack.success
        return entry.attack.mean if sort == "distortion" else entry.distance

    def order(entry: Entry) -> tuple[float, float, str]:
        mine = value(entry)
        return (math.inf if mine is None else -mine, -(entry.top1 or 0), entry.model)

    ordered = sorted(entries, key=order)
    values = [value(entry) for entry in ordered]
    return tuple(
        replace(entry, rank=None if mine is None else 1 + values.index(mine))
        for entry, mine in zip(ordered, values, strict=True)
    )


def _entry(
    db: Connection,
    selection: Selection,
    model: str,
    predictions: Predictions,
    outcomes: Outcomes,
    accuracy: AccuracyOf,
    common: Common | None,
) -> Entry:
    clean, cell = selection.clean.get(model), selection.cells.get(model)
    version = cell or clean
    entry = entry_of(
        model,
        queries.model_about(db, version.model_id)
        if version
        else queries.model_facts(db).get(model, {}),
        predictions=predictions,
        outcomes=outcomes,
        accuracy=accuracy,
        images=common.images if common else None,
    )
    if not version:
        return entry
    classes = queries.model_classes(db, version.model_id)
    trial = queries.trial(db, clean.id) if clean else None
    flat = queries.zero_gradients(db, cell.id) if cell else frozenset()
    flat &= frozenset(outcomes) if common is None else common.images
    masked = of_gradients(selection.attack.label, len(flat), entry.attack.attacked)
    entry = replace(entry, doubts=(*doubts(trial, entry.accuracy, classes), *masked))
    if entry.complete:
        return entry
    kin = [each.id for each in (cell, clean) if each]
    return replace(entry, error=queries.last_error(db, kin))
