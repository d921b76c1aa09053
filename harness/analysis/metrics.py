"""The metrics of a leaderboard's cells over its images: plugins compute them from stored rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from harness.analysis.common import Common
from harness.analysis.results import Results, SuiteResults, Trial
from harness.api import Metric
from harness.contained import cause, contained, scored
from harness.errors import PluginError
from harness.plugins import Catalog, Kind
from harness.store.read.cells import StoredCell
from harness.store.read.metrics import cell_rows, stored_scores

Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Metrics:
    """Every model's metrics by name; None where one has no value, or no known one.

    Attributes:
        notes: which are not computed, and what is shown of them.
    """

    values: Mapping[str, Values]
    notes: tuple[str, ...]


def metrics_of(
    suite: SuiteResults, trial: Trial, catalog: Catalog, common: Common | None
) -> Metrics:
    """The metrics of the suite, over the images of a leaderboard.

    Where no plugin provides one any more, or it fails, its stored value is taken if that is over
    the same images.

    Args:
        common: the only images whose outcomes count; None: all.
    """
    results = suite.results
    stored = {model: stored_scores(results.db, cell) for model, cell in trial.cells.items()}
    asked = suite.definition.get("metrics", ())
    names = sorted({*asked, *(name for scores in stored.values() for name in scores)})
    if not names:
        return Metrics({}, ())
    metrics, reasons = _usable(names, catalog)
    values: dict[str, dict[str, float | None]] = {}
    without: dict[str, list[str]] = {}
    for model, cell in trial.cells.items():
        clean = trial.clean.get(model)
        images = results.images(cell.runs)
        if common is not None:
            images &= common.images
        among = results.images(clean.runs) if clean else frozenset()
        own = cell_rows(results.db, cell, images, clean, among)
        values[model] = {}
        for name in names:
            if name in metrics:
                try:
                    values[model][name] = scored(metrics[name], own).value
                    continue
                except Exception as error:
                    reasons[name] = cause("it", error)
            score = stored[model].get(name)
            if score is not None and _same(results, cell, clean, score.run, images):
                values[model][name] = score.value
            else:
                values[model][name] = None
                without.setdefault(name, []).append(model)
    return Metrics(values, tuple(_notes(reasons, without)))


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
            with contained("it"):
                metric = registration.load()()
            if not isinstance(metric, Metric):
                raise PluginError("it is not a Metric")
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
