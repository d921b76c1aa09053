"""A run's last step: every metric of every cell, and what is wrong with cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.api import CellRows, Status
from harness.api.records import FAILED
from harness.contained import cause, scored
from harness.engine.guard import Guard
from harness.execute.patience import PatientWatch, patience
from harness.execute.session import Session
from harness.planning import Cell
from harness.plugins import Catalog, Kind
from harness.resolve.prepare import Resolved
from harness.store.read.pending import (
    cell_rows,
    measured_means,
    measured_statuses,
    zero_gradients,
)
from harness.store.write.writer import Writer
from harness.terminal import named


def score(session: Session, catalog: Catalog) -> list[str]:
    """Store every metric of every cell, and say what is wrong with cells and metrics."""
    resolved, writer, run = session.resolved, session.writer, session.run
    watch = PatientWatch(session.journal)
    failures: list[str] = []
    wrong: dict[str, list[str]] = {}
    for cell in resolved.plan.cells:
        if cell.measurement is not None:
            failures += _score_measured(resolved, cell, cell.measurement.label, writer, run)
            continue
        rows = cell_rows(writer.db, run, cell.key)
        problem = _clean_problem(cell, rows) if cell.attack is None else _attack_problem(cell, rows)
        if problem:
            failures.append(f"{cell.label}: {problem}")
        if cell.attack is None:
            continue
        scores = {}
        for name, metric in resolved.metrics.items():
            origin = catalog.get(Kind.METRIC, name).origin
            watch.patience = patience(session.settings.placement.image_timeout, origin)
            watch.call(f"metric {name!r} (plugin {origin}) of {cell.label}")
            try:
                with named(f"plugin {origin}"), Guard("it").around():
                    found = scored(metric, rows)
            except Exception as error:
                said = f"metric {name!r}: {cause('it', error)} (plugin {origin})"
                wrong.setdefault(said, []).append(cell.label)
            else:
                scores[name] = (found.value, found.images, str(metric.unit))
            watch.idle()
        writer.write_scores(run, cell.key, scores)
    return failures + [f"{said}: {_few(labels)}" for said, labels in wrong.items()]


def masked(writer: Writer, run: int) -> list[str]:
    """A line for each model whose robustness may be that of its gradients alone."""
    return [
        f"{model}: {flat} of {images} images: the gradient is exactly zero: gradient masking or a"
        " saturated loss"
        for model, flat, images in zero_gradients(writer.db, run)
    ]


def _few(labels: Sequence[str]) -> str:
    more = len(labels) - 1
    return f"{labels[0]}, and {more} more" if more else labels[0]


def _score_measured(
    resolved: Resolved, cell: Cell, label: str, writer: Writer, run: int
) -> list[str]:
    """Store the means of a measurement's scores, and say what is wrong with its cell."""
    means = measured_means(writer.db, run, cell.key)
    scores = {
        name: (*means.get(name, (None, 0)), unit)
        for name, unit in resolved.measurements[label].scores.items()
    }
    writer.write_scores(run, cell.key, scores)
    problem = _problem(measured_statuses(writer.db, run, cell.key), len(cell.images))
    return [f"{cell.label}: {problem}"] if problem else []


def _clean_problem(cell: Cell, rows: CellRows) -> str | None:
    predicted = sum(row.predicted is not None for row in rows.clean)
    left = len(cell.images) - predicted
    return f"{left} of {len(cell.images)} images have no prediction" if left else None


def _attack_problem(cell: Cell, rows: CellRows) -> str | None:
    counts = {status: sum(row.status is status for row in rows.outcomes) for status in Status}
    return _problem(counts, len(cell.images))


def _problem(counts: Mapping[Status, int], images: int) -> str | None:
    parts = [
        f"{counts[status]} {'failed' if status is Status.ERROR else status}"
        for status in FAILED
        if counts.get(status)
    ]
    if sum(counts.values()) < images:
        parts.append(f"{images - sum(counts.values())} missing")
    return f"{', '.join(parts)} of {images} images" if parts else None
