"""Run a plan: find what is not yet stored, do it model by model, score the cells."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import torch

from harness.engine.workers import Workers
from harness.errors import ExitCode, HarnessError
from harness.execute.completed import model_row
from harness.execute.environment import environment
from harness.execute.executors.processes import Orders, WorkerProcesses, sensible
from harness.execute.executors.turn import Turn
from harness.execute.images import Images
from harness.execute.journal import Journal, path_beside
from harness.execute.model_cache import ModelCache, model_cache
from harness.execute.model_run import ModelWork
from harness.execute.pending import again, remaining
from harness.execute.progress import RunProgress
from harness.execute.scoring import masked, score
from harness.execute.transfer import FailFast, TransferWork
from harness.planning import Cell, Component, Plan
from harness.plugins import Catalog
from harness.resolve.prepare import Resolved
from harness.signals import asked
from harness.store.database import path_of
from harness.store.lost import Lost, lost_files
from harness.store.read.pending import done_clean, done_measured, done_outcomes
from harness.store.records import ImageKey
from harness.store.write.writer import Writer

HASHING_SAYS = 5.0
"""Seconds between two lines that say how many images are hashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a run goes about its work; none of it changes results."""

    device: torch.device
    batch_size: int | None
    """None: a default for the device and the image size."""
    retry_errors: bool = False
    fresh: bool = False
    fail_fast: bool = False
    workers: int | None = None
    """Models at work at a time, in processes of their own; None: as many as help."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to.

    Attributes:
        computed: images computed now; ``found`` were stored before.
        transfers: predictions of transfers computed now.
        failures: one line for each cell that failed, is incomplete or holds invalid images.
        notes: what is no failure, and should be known.
        lost: files with kept images of the plan that are gone or damaged.
    """

    run: int
    cells: int
    computed: int
    found: int
    transfers: int
    failures: Sequence[str]
    notes: Sequence[str]
    lost: Sequence[Lost]
    exit_code: ExitCode


def run(
    resolved: Resolved,
    catalog: Catalog,
    writer: Writer,
    progress: RunProgress,
    settings: Settings,
    *,
    command: Sequence[str],
) -> Summary:
    """Compute every outcome of the plan that is not stored yet.

    Outcomes are committed as images finish. An interrupt leaves the run resumable: the same call
    goes on where it was.
    """
    with Journal(path_beside(path_of(writer.db))) as journal:
        if journal.last:
            progress.say(journal.last)
        return _run(resolved, catalog, writer, progress, settings, journal, command)


def _run(
    resolved: Resolved,
    catalog: Catalog,
    writer: Writer,
    progress: RunProgress,
    settings: Settings,
    journal: Journal,
    command: Sequence[str],
) -> Summary:
    plan = resolved.plan
    journal.call(f"data set {resolved.dataset.spec.name}")
    images = Images(resolved.dataset)
    keys = keys_of(plan.cells, images, progress.say)
    journal.idle()
    number = writer.begin_run(
        plan,
        environment=environment(catalog),
        command=command,
        images=list(keys.values()),
    )
    writer.record_plugin_errors(number, catalog.broken)
    if settings.fresh:
        writer.forget(cell.key for cell in plan.cells)
    # The run's end is written down before loads and workers that have begun are waited for.
    with model_cache(resolved, settings.device) as models:
        try:
            done = _Work(
                *(resolved, models, writer, progress, settings),
                images=images,
                keys=keys,
                run=number,
                journal=journal,
            ).do()
        except BaseException as error:
            code = _code_of(error)
            status = "interrupted" if code == ExitCode.INTERRUPTED else "failed"
            writer.finish_run(number, status=status, exit_code=code)
            raise
    failures = [*score(resolved, catalog, writer, journal, number), *done.failures]
    code = _exit_code(failures, resolved, catalog)
    writer.finish_run(number, status="failed" if code else "done", exit_code=code)
    kept = [cell.key for cell in plan.cells if cell.attack and cell.attack.keep]
    return Summary(
        run=number,
        cells=len(plan.cells),
        computed=done.computed,
        found=done.found,
        transfers=done.transfers,
        failures=failures,
        notes=masked(writer, number),
        lost=lost_files(writer.db, kept),
        exit_code=code,
    )


def pending(cell: Cell, keys: Mapping[str, ImageKey], db: Any, *, retry_errors: bool) -> list[str]:
    """The ids of the cell's images that have no stored result yet, in plan order."""
    find = done_outcomes if cell.attack else done_measured if cell.measurement else done_clean
    done: Collection[ImageKey] = find(db, cell.key, retry_errors=retry_errors)
    return [image.id for image in cell.images if keys[image.id] not in done]


def todo_of(
    plan: Plan, keys: Mapping[str, ImageKey], db: Any, *, retry_errors: bool
) -> dict[str, list[str]]:
    """The ids of every cell's images to compute: the pending ones, and those that transfers need.

    The latter were attacked without keeping their candidates.
    """
    todo = {cell.key: pending(cell, keys, db, retry_errors=retry_errors) for cell in plan.cells}
    for key, ids in again(plan, keys, db, retry_errors=retry_errors).items():
        todo[key] += ids
    return todo


def keys_of(
    cells: Sequence[Cell], images: Images, say: Callable[[str], None] | None = None
) -> dict[str, ImageKey]:
    """The key of every image of the plan by its id, in plan order.

    Every source is read for it: ``say`` hears how far that is, where it takes long.
    """
    longest = max((cell.images for cell in cells), key=len, default=())
    keys: dict[str, ImageKey] = {}
    said = time.monotonic()
    with closing(images.digests([image.id for image in longest])) as digests:
        for image, digest in zip(longest, digests, strict=True):
            keys[image.id] = ImageKey(image.id, digest, image.label)
            if say and time.monotonic() - said > HASHING_SAYS:
                said = time.monotonic()
                say(f"hashed {len(keys):,} of {len(longest):,} images")
    return keys


@dataclass(slots=True)
class _Done:
    """What the work has come to; see `Summary`."""

    found: int
    computed: int = 0
    transfers: int = 0
    failures: list[str] = field(default_factory=list)


class _Work:
    """All that is computed in a run: the models' cells, then the transfers."""

    def __init__(
        self,
        resolved: Resolved,
        models: ModelCache,
        writer: Writer,
        progress: RunProgress,
        settings: Settings,
        *,
        images: Images,
        keys: Mapping[str, ImageKey],
        run: int,
        journal: Journal,
    ) -> None:
        self._journal = journal
        self._resolved, self._models, self._plan = resolved, models, resolved.plan
        self._writer, self._progress, self._settings = writer, progress, settings
        self._images, self._keys, self._run = images, keys, run
        retry = settings.retry_errors
        self._todo = todo_of(self._plan, keys, writer.db, retry_errors=retry)
        announced = remaining(self._plan, keys, writer.db, retry_errors=retry)
        self._shown = sum(count for _, count in announced)
        # Where sets are not kept, other models see a model's candidates right after its cells.
        self._streaming = self._plan.transfer is not None and not self._plan.transfer.keep_sets
        self._transfers = TransferWork(
            *(resolved, models, writer, progress),
            device=settings.device,
            batch_size=settings.batch_size,
            images=images,
            keys=keys,
            run=run,
            announced=announced,
            retry_errors=retry,
            fail_fast=settings.fail_fast,
        )
        missing = sum(len(ids) for ids in self._todo.values())
        self._done = _Done(sum(len(cell.images) for cell in self._plan.cells) - missing)
        progress.start(
            cells=sum(1 for ids in self._todo.values() if ids),
            images=missing + (self._shown if self._streaming else 0),
        )

    def do(self) -> _Done:
        done, transfers = self._done, self._transfers
        try:
            self._do_models()
            if self._shown and not self._streaming:
                # Apart: a thousand transfers take as long as one image of a cell.
                self._progress.start(cells=0, images=self._shown)
                transfers.do(self._plan.sources)
        except FailFast as error:
            done.failures.append(f"stopped at {error}: --fail-fast")
        transfers.say_dropped()
        done.transfers = transfers.computed
        done.failures += transfers.problems()
        return done

    def _do_models(self) -> None:
        busy = [model for model in self._plan.models if self._is_busy(model)]
        count = self._settings.workers or sensible(self._plan, self._todo, self._settings.device)
        if self._streaming or min(count, len(busy)) < 2:
            self._one_by_one(self._plan.models if self._streaming else busy)
            return
        count = min(count, len(busy))
        turns = [
            Turn(model.name, {c.key: self._todo[c.key] for c in self._plan.of(model)}, self._run)
            for model in busy
        ]
        try:
            crew = WorkerProcesses(count, self._orders(count))
        except TypeError as error:
            self._progress.say(f"one model at a time, for other processes cannot have it: {error}")
            self._one_by_one(busy)
            return
        with crew:
            for each in crew.work(turns, self._writer, self._progress):
                if each.reason:
                    self._done.failures.append(f"{each.model}: {each.reason}")
                self._count(each.model, each.computed, each.failed)

    def _one_by_one(self, models: Sequence[Component]) -> None:
        with Workers() as workers:
            for model, after in zip_longest(models, models[1:]):
                cells = self._plan.of(model)
                if self._is_busy(model):
                    work = ModelWork(
                        *(self._resolved, self._models, self._writer, self._progress),
                        device=self._settings.device,
                        batch_size=self._settings.batch_size,
                        images=self._images,
                        keys=self._keys,
                        run=self._run,
                        workers=workers,
                        journal=self._journal,
                    )
                    # Where sets are streamed, other models come in between.
                    then = after.name if after and not self._streaming else None
                    failed = work.do(cells, self._todo, then)
                    self._count(model.name, work.computed, failed)
                if self._streaming:
                    self._transfers.stream([c for c in self._plan.sources if c.model is model])

    def _is_busy(self, model: Component) -> bool:
        return any(self._todo[cell.key] for cell in self._plan.of(model))

    def _count(self, model: str, computed: int, failed: bool) -> None:
        self._done.computed += computed
        if row := model_row(self._writer.db.conn, self._plan.suite, model):
            self._progress.completed(row)
        if failed and self._settings.fail_fast:
            raise FailFast(model)

    def _orders(self, count: int) -> Orders:
        return Orders(
            self._resolved,
            path_of(self._writer.db),
            self._settings.device,
            self._settings.batch_size,
            self._keys,
            self._run,
            threads=max(1, torch.get_num_threads() // count),
        )


def _code_of(error: BaseException) -> ExitCode:
    """What a run ends with that ``error`` breaks off; an interrupt may have become another one."""
    if asked() or isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return error.exit_code if isinstance(error, HarnessError) else ExitCode.CELLS_FAILED


def _exit_code(failures: Sequence[str], resolved: Resolved, catalog: Catalog) -> ExitCode:
    if resolved.plan.unavailable and catalog.broken:
        return ExitCode.PLUGIN
    return ExitCode.CELLS_FAILED if failures else ExitCode.OK
