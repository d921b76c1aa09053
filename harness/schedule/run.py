"""Run a plan: find what is not yet stored, do it model by model, score the cells."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import torch

from harness.api import CellRows, Status
from harness.engine.memory import default_model_memory
from harness.engine.workers import Workers
from harness.errors import ExitCode
from harness.plan import Cell, Plan
from harness.plugins import Catalog
from harness.schedule.environment import environment
from harness.schedule.images import Images
from harness.schedule.pairs import again, remaining
from harness.schedule.progress import Progress
from harness.schedule.residency import Loaded, Residency, file_bytes, load_model
from harness.schedule.resolve import Resolved
from harness.schedule.transfer import FailFast, TransferWork
from harness.schedule.work import ModelWork
from harness.store.queries import (
    cell_rows,
    done_clean,
    done_measured,
    done_outcomes,
    measured_means,
    measured_statuses,
)
from harness.store.records import StoredImage
from harness.store.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run goes about its work; none of it changes results."""

    device: torch.device
    batch_size: int | None
    """None: a default for the device and the image size."""
    retry_errors: bool = False
    fresh: bool = False
    fail_fast: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to.

    Attributes:
        computed: images computed now; ``found`` were stored before.
        transfers: predictions of transfers computed now.
        failures: one line for each cell that failed, is incomplete or holds invalid images.
    """

    run: int
    cells: int
    computed: int
    found: int
    transfers: int
    failures: Sequence[str]
    exit_code: ExitCode


def run(
    resolved: Resolved,
    catalog: Catalog,
    writer: Writer,
    progress: Progress,
    settings: Settings,
    *,
    command: Sequence[str],
) -> Summary:
    """Compute every outcome of the plan that is not stored yet.

    Outcomes are committed as images finish. An interrupt leaves the run resumable: the same call
    goes on where it was.
    """
    plan = resolved.plan
    images = Images(resolved.dataset)
    digests = digests_of(plan.cells, images)
    number = writer.begin_run(
        plan,
        environment=environment(catalog),
        command=command,
        images=[StoredImage(i, label, digest) for i, (label, digest) in digests.items()],
    )
    writer.record_plugin_errors(number, catalog.broken)
    if settings.fresh:
        writer.forget(cell.key for cell in plan.cells)
    # The run's end is written down before loads and workers that have begun are waited for.
    with _models(resolved, settings.device) as models, Workers() as workers:
        try:
            done = _work(
                *(resolved, models, workers, writer, progress, settings),
                images=images,
                digests=digests,
                run=number,
            )
        except KeyboardInterrupt:
            writer.finish_run(number, status="interrupted", exit_code=ExitCode.INTERRUPTED)
            raise
        except BaseException:
            writer.finish_run(number, status="failed", exit_code=ExitCode.CELLS_FAILED)
            raise
    failures = [*_score(resolved, writer, number), *done.failures]
    code = _exit_code(failures, resolved, catalog)
    writer.finish_run(number, status="failed" if code else "done", exit_code=code)
    return Summary(
        *(number, len(plan.cells), done.computed, done.found, done.transfers, failures, code)
    )


def pending(
    cell: Cell, digests: Mapping[str, tuple[int, str]], db: Any, *, retry_errors: bool
) -> list[str]:
    """The ids of the cell's images that have no stored result yet, in plan order."""
    find = done_outcomes if cell.attack else done_measured if cell.measurement else done_clean
    done: Collection[tuple[str, str]] = find(db, cell.key, retry_errors=retry_errors)
    return [image.id for image in cell.images if (image.id, digests[image.id][1]) not in done]


def todo_of(
    plan: Plan, digests: Mapping[str, tuple[int, str]], db: Any, *, retry_errors: bool
) -> dict[str, list[str]]:
    """The ids of every cell's images to compute: the pending ones, and those that transfers need.

    The latter were attacked without keeping their candidates.
    """
    todo = {cell.key: pending(cell, digests, db, retry_errors=retry_errors) for cell in plan.cells}
    for key, ids in again(plan, digests, db, retry_errors=retry_errors).items():
        todo[key] += ids
    return todo


def digests_of(cells: Sequence[Cell], images: Images) -> dict[str, tuple[int, str]]:
    """Label and content hash of every image of the plan, in plan order."""
    longest = max((cell.images for cell in cells), key=len, default=())
    return {image.id: (image.label, images.digest(image.id)) for image in longest}


def _models(resolved: Resolved, device: torch.device) -> Residency:
    """The models of the plan, none of them loaded yet."""
    fold = {cell.model.name: cell.policy.fold_batch_norm for cell in resolved.plan.cells}

    def load(name: str) -> Loaded:
        return load_model(*resolved.models[name], device, fold_batch_norm=fold[name])

    def estimate(name: str) -> int:
        return file_bytes(resolved.models[name][1])

    return Residency(load, estimate, limit=default_model_memory(device))


@dataclass(slots=True)
class _Done:
    """What the work has come to; see `Summary`."""

    found: int
    computed: int = 0
    transfers: int = 0
    failures: list[str] = field(default_factory=list)


def _work(
    resolved: Resolved,
    models: Residency,
    workers: Workers,
    writer: Writer,
    progress: Progress,
    settings: Settings,
    *,
    images: Images,
    digests: Mapping[str, tuple[int, str]],
    run: int,
) -> _Done:
    """Model by model, then the transfers; where sets are not kept, each model's after its cells."""
    plan, retry = resolved.plan, settings.retry_errors
    todo = todo_of(plan, digests, writer.db, retry_errors=retry)
    missing = sum(len(ids) for ids in todo.values())
    announced = remaining(plan, digests, writer.db, retry_errors=retry)
    shown = sum(count for _, count in announced)
    streaming = plan.transfer is not None and not plan.transfer.keep_sets
    progress.start(
        cells=sum(1 for ids in todo.values() if ids), images=missing + (shown if streaming else 0)
    )
    done = _Done(found=sum(len(cell.images) for cell in plan.cells) - missing)
    transfers = TransferWork(
        *(resolved, models, writer, progress),
        device=settings.device,
        batch_size=settings.batch_size,
        images=images,
        digests=digests,
        run=run,
        announced=announced,
        retry_errors=retry,
        fail_fast=settings.fail_fast,
    )
    busy = [m for m in plan.models if streaming or any(todo[cell.key] for cell in plan.of(m))]
    try:
        for model, after in zip_longest(busy, busy[1:]):
            cells = plan.of(model)
            if any(todo[cell.key] for cell in cells):
                work = ModelWork(
                    *(resolved, models, writer, progress),
                    device=settings.device,
                    batch_size=settings.batch_size,
                    images=images,
                    digests=digests,
                    run=run,
                    workers=workers,
                )
                # Where sets are streamed, other models come in between.
                then = after.name if after and not streaming else None
                failed = work.do(cells, todo, then)
                done.computed += work.computed
                if failed and settings.fail_fast:
                    raise FailFast(model.name)
            if streaming:
                transfers.stream([cell for cell in plan.sources if cell.model is model])
        if shown and not streaming:
            # Apart: a thousand transfers take as long as one image of a cell.
            progress.start(cells=0, images=shown)
            transfers.do(plan.sources)
    except FailFast as error:
        done.failures.append(f"stopped at {error}: --fail-fast")
    transfers.say_dropped()
    done.transfers = transfers.computed
    done.failures += transfers.problems()
    return done


def _score(resolved: Resolved, writer: Writer, run: int) -> list[str]:
    """Store every metric of every cell, and say what is wrong with cells."""
    failures = []
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
            try:
                score = metric.score(rows)
            except Exception as error:
                failures.append(
                    f"{cell.label}: metric {name!r} raised {type(error).__name__}: {error}"
                )
                continue
            scores[name] = (score.value, score.images, metric.unit)
        writer.write_scores(run, cell.key, scores)
    return failures


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
        f"{counts[status]} {word}"
        for status, word in ((Status.ERROR, "failed"), (Status.INVALID, "invalid"))
        if counts.get(status)
    ]
    if sum(counts.values()) < images:
        parts.append(f"{images - sum(counts.values())} missing")
    return f"{', '.join(parts)} of {images} images" if parts else None


def _exit_code(failures: Sequence[str], resolved: Resolved, catalog: Catalog) -> ExitCode:
    if resolved.plan.unavailable and catalog.broken:
        return ExitCode.PLUGIN
    return ExitCode.CELLS_FAILED if failures else ExitCode.OK
