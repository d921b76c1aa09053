"""The leaderboard: stored rows become one entry a model, and a frontier through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection
from typing import Literal

from harness.analysis.common import Common, common_images
from harness.analysis.entry import AccuracyOf, Entry, entry_of
from harness.analysis.frontier import Frontier, Point, frontier
from harness.analysis.readings import model_readings
from harness.analysis.selection import Selection, chosen_suite, select
from harness.store import board as queries

SortBy = Literal["frontier", "accuracy", "distortion"]
ImagesOf = Literal["all", "common"]


@dataclass(frozen=True, slots=True)
class Board:
    """All models of a suite under one attack and goal, ranked.

    Attributes:
        common: the only images whose outcomes count; None: all.
    """

    selection: Selection
    accuracy: AccuracyOf
    sort: SortBy
    frontier: Frontier
    entries: tuple[Entry, ...]
    common: Common | None = None


def leaderboard(
    db: Connection,
    *,
    suite: str | None = None,
    attack: str | None = None,
    goal: str | None = None,
    accuracy: AccuracyOf = "measured",
    sort: SortBy = "frontier",
    images: ImagesOf = "all",
) -> Board:
    """The board of a database; by default of the latest run's suite.

    With ``common`` images only the outcomes of those that every model classifies correctly count;
    accuracies stay those of all images.

    Raises:
        ConfigError: there are no runs, or no such suite, attack or goal.
    """
    suite = chosen_suite(queries.suites(db), suite)
    selection = select(
        suite,
        queries.definition(db, suite),
        queries.suite_cells(db, suite),
        attack=attack,
        goal=goal,
    )
    images_of = _images_of(db)
    predictions = {
        model: _predictions(db, selection, model, images_of) for model in selection.models
    }
    common = common_images(predictions) if images == "common" else None
    entries = [
        _entry(db, selection, model, predictions[model], images_of, accuracy, common)
        for model in selection.models
    ]
    if common is None:  # as stored metrics, readings are those of all images
        readings = model_readings(db, selection)
        entries = [replace(entry, readings=readings[entry.model]) for entry in entries]
    return build(selection, entries, accuracy=accuracy, sort=sort, common=common)


def build(
    selection: Selection,
    entries: Sequence[Entry],
    *,
    accuracy: AccuracyOf,
    sort: SortBy,
    common: Common | None = None,
) -> Board:
    """The frontier through ``entries``, their distances from it, and their ranks."""
    points = {entry.model: point for entry in entries if (point := _point(entry, accuracy))}
    curve = _frontier(selection, list(points.values()))
    members = {point.name for point in curve.members}
    placed = [
        replace(
            entry,
            on_frontier=entry.model in members,
            fitted=curve.fitted(point),
            distance=curve.distance(point),
            extrapolated=curve.extrapolated(point),
        )
        if (point := points.get(entry.model))
        else entry
        for entry in entries
    ]
    return Board(selection, accuracy, sort, curve, _ranked(placed, sort), common)


def _frontier(selection: Selection, points: Sequence[Point]) -> Frontier:
    """No frontier under a fixed budget: every success then lies about at the budget."""
    budget = selection.attack.budget
    if budget is not None:
        reason = f"{selection.attack.label} has a fixed budget, so its distortion says little"
        return Frontier((), None, reason)
    return frontier(points)


def _point(entry: Entry, accuracy: AccuracyOf) -> Point | None:
    """Where the model lies; None without an accuracy or without a success."""
    robustness = entry.attack.mean
    if entry.top1 is None or robustness is None:
        return None
    if accuracy == "published":
        return Point(entry.model, 100 * entry.top1, 100, robustness)
    return Point(entry.model, entry.accuracy.correct, entry.accuracy.images, robustness)


def _ranked(entries: Sequence[Entry], sort: SortBy) -> tuple[Entry, ...]:
    """Best first; equals share a rank, and what has no value comes last without one."""

    def value(entry: Entry) -> float | None:
        if sort == "accuracy":
            return entry.top1
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


_ImagesOf = Callable[[queries.StoredCell], frozenset[int]]


def _images_of(db: Connection) -> _ImagesOf:
    """The images that a cell takes in its suite's runs."""
    known: dict[queries.Runs, frozenset[int]] = {}

    def find(cell: queries.StoredCell) -> frozenset[int]:
        # Nearly always all models took the same images.
        if cell.runs not in known:
            known[cell.runs] = queries.images_of(db, cell.runs)
        return known[cell.runs]

    return find


def _predictions(
    db: Connection, selection: Selection, model: str, images_of: _ImagesOf
) -> dict[int, bool | None]:
    """Whether the model classifies each image of its clean cell correctly."""
    clean = selection.clean.get(model)
    if clean is None:
        return {}
    predicted = queries.clean_rows(db, clean.id)
    return {image: predicted.get(image) for image in images_of(clean)}


def _entry(
    db: Connection,
    selection: Selection,
    model: str,
    predictions: Mapping[int, bool | None],
    images_of: _ImagesOf,
    accuracy: AccuracyOf,
    common: Common | None,
) -> Entry:
    clean, cell = selection.clean.get(model), selection.cells.get(model)
    version = cell or clean
    about = queries.model_about(db, version.model_id) if version else None
    outcomes = queries.outcome_rows(db, cell.id, selection.attack.norm) if cell else {}
    entry = entry_of(
        model,
        queries.model_facts(db).get(model, {}) if about is None else about,
        predictions=predictions,
        outcomes={image: outcomes.get(image) for image in images_of(cell)} if cell else {},
        # Stored metrics are those of all images.
        metrics=queries.scores(db, cell) if cell and common is None else {},
        accuracy=accuracy,
        images=common.images if common else None,
    )
    if entry.complete or not version:
        return entry
    kin = [known.id for known in (cell, clean) if known]
    return replace(entry, error=queries.last_error(db, kin))
