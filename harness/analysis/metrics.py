"""The metrics of a leaderboard's cells over its images: plugins compute them from stored rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.analysis.common import Common
from harness.analysis.declared import of_metric
from harness.analysis.results import Results, SuiteResults, Trial
from harness.api import CellRows, LeaderboardColumn, Metric
from harness.api.columns import Leaderboard
from harness.api.statistics import mean
from harness.contained import cause, scored
from harness.errors import PluginError
from harness.plugins import Catalog, Kind, at_work
from harness.store.read import parts
from harness.store.read.cells import StoredCell
from harness.store.read.metrics import cell_rows, stored_scores
from harness.store.read.rows import values

Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Metrics:
    """Every model's metrics by name; None where one has no value, or no known one.

    Attributes:
        notes: which are not computed, and what is shown of them.
        shown: the columns that they declare, by name.
    """

    values: Mapping[str, Values]
    notes: tuple[str, ...] = ()
    shown: Mapping[str, LeaderboardColumn] = field(default_factory=dict)


NONE = Metrics({})
"""Of a leaderboard that shows no metrics."""


def metrics_of(
    suite: SuiteResults,
    trial: Trial,
    catalog: Catalog,
    common: Common | None,
    board: Leaderboard | None = None,
) -> Metrics:
    """The metrics of the suite, over the images of a leaderboard.

    Where no plugin provides one any more, or it fails, its stored value is taken if that is over
    the same images.

    Args:
        common: the only images whose outcomes count; None: all.
        board: only those with a column there; None: all.
    """
    results = suite.results
    stored = {model: stored_scores(results.db, cell) for model, cell in trial.cells.items()}
    asked = suite.definition.get("metrics", ())
    names = sorted({*asked, *(name for scores in stored.values() for name in scores)})
    if not names:
        return NONE
    metrics, reasons = _usable(names, catalog)
    shown = {name: column for name, each in metrics.items() if (column := of_metric(each))}
    if board is not None:
        names = [name for name in names if name in shown and shown[name].is_on(board)]
    if not names:
        return NONE
    found: dict[str, dict[str, float | None]] = {}
    without: dict[str, list[str]] = {}
    for model, cell in trial.cells.items():
        clean = trial.clean.get(model)
        images = results.images(cell.runs)
        if common is not None:
            images &= common.images
        among = results.images(clean.runs) if clean else frozenset()
        own = cell_rows(results.db, cell, images, clean, among)
        found[model] = {}
        for name in names:
            if name in metrics:
                try:
                    with at_work(catalog.get(Kind.METRIC, name)):
                        found[model][name] = scored(metrics[name], own).value
                    continue
                except Exception as error:
                    reasons[name] = cause("it", error)
            score = stored[model].get(name)
            if score is not None and _same(results, cell, clean, score.run, images):
                found[model][name] = score.value
            else:
                found[model][name] = None
                without.setdefault(name, []).append(model)
    noted = {name: reason for name, reason in reasons.items() if name in names}
    return Metrics(found, tuple(_notes(noted, without)), shown)


def united(
    results: Results, cell: int, stored: Sequence[Mapping[str, Any]], catalog: Catalog
) -> list[Mapping[str, Any]]:
    """A cell's metrics, ``stored`` over one part of a run, over all parts of it that are here.

    Rows as of `harness.store.read.details.cell_detail`; where no plugin computes a metric any more,
    the part's own one stays. Those of a run that is not a part stay too.
    """
    run = stored[0]["run"] if stored else 0
    members = parts.together(results.db, run)
    if len(members) < 2:
        return list(stored)
    cells = results.suite(parts.suite_of(results.db, run)).cells
    (mine,) = (each for each in cells if each.id == cell)
    place = (mine.model_id, mine.dataset_id, mine.policy)
    clean = next(
        (
            each
            for each in cells
            if each.task is None and (each.model_id, each.dataset_id, each.policy) == place
        ),
        None,
    )

    def images(each: StoredCell) -> frozenset[int]:
        return results.images(tuple(pair for pair in each.runs if pair[0] in members))

    if mine.task is not None and mine.task.kind == "measurement":
        return [_mean(results, mine, row, images(mine)) for row in stored]
    rows = cell_rows(results.db, mine, images(mine), clean, images(clean) if clean else ())
    metrics, _ = _usable([row["metric"] for row in stored], catalog)
    return [_anew(row, metrics.get(row["metric"]), rows) for row in stored]


def _mean(
    results: Results, cell: StoredCell, row: Mapping[str, Any], images: Collection[int]
) -> Mapping[str, Any]:
    measured = values(results.db, cell.id, row["metric"])
    among = [value for image, value in measured.items() if image in images]
    return {**row, "value": mean(among), "images": len(among)}


def _anew(row: Mapping[str, Any], metric: Metric | None, rows: CellRows) -> Mapping[str, Any]:
    if metric is None:
        return row
    try:
        found = scored(metric, rows)
    except Exception:  # a plugin's
        return row
    return {**row, "value": found.value, "images": found.images}


def _usable(names: Iterable[str], catalog: Catalog) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics that plugins provide, and why the others cannot be computed."""
    found: dict[str, Metric] = {}
    reasons: dict[str, str] = {}
    for name in names:
        registration = catalog.find(Kind.METRIC, name)
        if registration is None:
            reasons[name] = "no installed plugin provides it"
            continue
        try:
            with at_work(registration):
                metric = registration.load()()
            if not isinstance(metric, Metric):
                raise PluginError("it is not a Metric")
            of_metric(metric)
            found[name] = metric
        except Exception as error:
            reasons[name] = cause("it", error)
    return found, reasons


def _same(
    results: Results, cell: StoredCell, clean: StoredCell | None, run: int, images: Collection[int]
) -> bool:
    """Whether a score of ``run`` is over these images, and over the clean cell's."""

    def of_run(each: StoredCell) -> frozenset[int]:
        return results.images(tuple(place for place in each.runs if place[0] == run))

    same_clean = clean is None or of_run(clean) == results.images(clean.runs)
    return of_run(cell) == images and same_clean


def _notes(reasons: Mapping[str, str], without: Mapping[str, list[str]]) -> Iterable[str]:
    for name, reason in reasons.items():
        models = without.get(name)
        rest = f"; none of the same images is stored for {', '.join(models)}" if models else ""
        yield f"metric {name} is not computed, its stored value is shown: {reason}{rest}"
