"""The metrics of a joint board, before their frontiers: whose numbers, and of which images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sqlite3 import Connection
from statistics import fmean

from harness.analysis.board import ImagesOf, Models, metric_of
from harness.analysis.bootstrap import Spread
from harness.analysis.entry import Entry, RunStatus
from harness.analysis.readings import Bound, Scored, scored
from harness.analysis.reference import Metric
from harness.analysis.selection import BoardAttack, Selection, select
from harness.analysis.stored import Rows
from harness.errors import ConfigError
from harness.plugins import unknown
from harness.store.read import cells as queries
from harness.store.read.cells import NORMS

ROBUST_SCORES = ("psi", "log10_psi")
"""Scores besides distances of which more is more robust."""


@dataclass(frozen=True, slots=True)
class Place:
    """One model under one metric.

    Attributes:
        images: those behind ``robustness``: broken or measured ones; ``of`` the cell's images.
        without: images of the cell that have no verdict or no number, or none yet.
        robustness: the mean distortion over successes, or the mean score; None without any.
        success: of the attack; None for a score.
        bound: of scores that are distances: what attacks found.
        rank: by distance, 1 the most robust; equals share it.
        fitted, distance: the curve's value, and robustness minus it: positive is above the trend.
            With a reference per pixel both are per pixel, and ``robustness`` is not.
    """

    model: str
    status: RunStatus
    images: int
    of: int
    without: int
    top1: float | None
    robustness: float | None
    success: float | None = None
    bound: Bound | None = None
    rank: int | None = None
    on_frontier: bool = False
    fitted: float | None = None
    distance: float | None = None
    extrapolated: bool = False
    spread: Spread | None = None


def selections_of(
    db: Connection, suite: str, goal: str | None
) -> tuple[list[Selection], list[str]]:
    """The cells of each attack that minimises the distortion, in its first configuration with any.

    Without such an attack those of the first one with the goal, which name models and images.

    Raises:
        ConfigError: the suite has no attacks, or not this goal.
    """
    definition, cells = queries.definition(db, suite), queries.suite_cells(db, suite)
    labels = dict.fromkeys(
        [entry["label"] for entry in definition["attacks"]]
        + [cell.label for cell in cells if cell.attack is not None]
    )
    offered = [select(suite, definition, cells, attack=label, goal=None) for label in labels]
    goals = dict.fromkeys(each for selection in offered for each in selection.attack.goals)
    if not offered:
        raise ConfigError(f"suite {suite!r} has no attacks", hint="a joint board needs one")
    if goal is not None and goal not in goals:
        raise unknown("goal of the suite", goal, goals, where="--goal", see=", ".join(goals))
    able = [each for each in offered if goal is None or goal in each.attack.goals]
    minimal = [each for each in able if each.attack.budget is None]
    if not minimal:
        label = able[0].attack.label
        return [select(suite, definition, cells, attack=label, goal=goal)], []
    ran = [each.goal for each in minimal]
    wanted = goal or ("random" if "random" in ran else ran[0])
    chosen: dict[str, Selection] = {}
    others: list[str] = []
    for each in minimal:
        if wanted not in each.attack.goals:
            continue
        selection = select(suite, definition, cells, attack=each.attack.label, goal=wanted)
        earlier = chosen.get(each.attack.name)
        if earlier is None or (selection.cells and not earlier.cells):
            chosen[each.attack.name] = selection
            others += [earlier.attack.label] if earlier else []
        else:
            others.append(each.attack.label)
    notes = [f"of each attack its first configuration; not: {', '.join(others)}"] if others else []
    return list(chosen.values()), notes


@dataclass(frozen=True, slots=True)
class Column:
    """A metric before its frontier: places without distances, and what the bootstrap resamples."""

    metric: Metric
    attack: BoardAttack | None
    models: Models
    places: Mapping[str, Place]
    values: Mapping[str, Mapping[int, float]]


def of_attack(selection: Selection, models: Models, images: ImagesOf) -> Column:
    """The distortion of an attack."""
    places = {}
    for entry in models.entries:
        attack = entry.attack
        places[entry.model] = Place(
            model=entry.model,
            status=entry.status,
            images=len(attack.distortions),
            of=attack.images,
            without=attack.invalid + attack.errors + attack.missing,
            top1=entry.top1,
            robustness=attack.mean,
            success=attack.success,
        )
    metric = metric_of(selection.attack, selection.goal, images)
    return Column(metric, selection.attack, models, places, models.distortions)


def of_scores(rows: Rows, base: Selection, models: Models, notes: list[str]) -> Iterator[Column]:
    """The scores of which more is more robust; of each measurement its latest configuration."""
    found = scored(rows, base, norms=NORMS)
    every = [each for scores in found.values() for each in scores]
    latest: dict[str, str] = {}
    for each in sorted(every, key=lambda each: (-each.cell.runs[-1][0], each.cell.id)):
        latest.setdefault(each.cell.measurement, each.cell.label)
    others = sorted({each.cell.label for each in every} - set(latest.values()))
    if others:
        notes.append(f"of each measurement its latest configuration; not: {', '.join(others)}")
    for name, label in latest.items():
        mine = {
            model: [each for each in scores if each.cell.label == label]
            for model, scores in found.items()
        }
        titles = dict.fromkeys(each.score for scores in mine.values() for each in scores)
        for score in titles:
            columns = {
                model: each
                for model, scores in mine.items()
                for each in scores
                if each.score == score
            }
            norm = next(iter(columns.values())).norm
            if norm is not None or score in ROBUST_SCORES:
                metric = Metric(f"{name} {score}", name, norm, base.goal, False, False)
                yield _of_score(metric, columns, models)


def _of_score(metric: Metric, scores: Mapping[str, Scored], models: Models) -> Column:
    places = {
        entry.model: _scored_place(entry, scores.get(entry.model)) for entry in models.entries
    }
    values = {model: each.values for model, each in scores.items()}
    return Column(metric, None, models, places, values)


def _scored_place(entry: Entry, score: Scored | None) -> Place:
    if score is None:
        return Place(entry.model, "not run", 0, 0, 0, entry.top1, None)
    without = score.without or entry.accuracy.missing
    return Place(
        model=entry.model,
        status="incomplete" if without else "complete",
        images=len(score.values),
        of=score.images,
        without=score.without,
        top1=entry.top1,
        robustness=fmean(score.values.values()) if score.values else None,
        bound=score.bound,
    )
