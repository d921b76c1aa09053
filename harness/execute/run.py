"""Run a plan: find what is not yet stored, do it model by model, score the cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

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
from harness.execute.pending import pending, plan_images
from harness.execute.progress import RunProgress
from harness.execute.scoring import masked, score
from harness.execute.session import Session, Settings
from harness.execute.transfer import FailFast, TransferWork
from harness.planning import Component
from harness.plugins import Catalog
from harness.resolve.prepare import Resolved
from harness.signals import asked
from harness.store.database import path_of
from harness.store.lost import Lost, lost_files
from harness.store.write.writer import Writer


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary of a run.

    Attributes:
        computed: images computed now; ``found`` were stored before.
        transfers: predictions of transfers computed now.
        failures: one line for each cell that failed, is incomplete or holds invalid images.
        notes: what is not a failure, and should be known.
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

    Outcomes are committed as images finish. An interrupted run can be resumed: the same call
    computes the rest.
    """
    with Journal(path_beside(path_of(writer.db))) as journal:
        if journal.last:
            progress.say(journal.last)
        journal.call(f"dataset {resolved.dataset.spec.name}")
        images = Images(resolved.dataset)
        images.identify(plan_images(resolved.plan), progress.say)
        journal.idle()
        number = writer.begin_run(
            resolved.plan,
            environment=environment(catalog),
            command=command,
            images=list(images.keys.values()),
        )
        writer.record_plugin_errors(number, catalog.broken)
        if settings.fresh:
            writer.forget(cell.key for cell in resolved.plan.cells)
        session = Session(
            resolved=resolved,
            images=images,
            writer=writer,
            progress=progress,
            journal=journal,
            settings=settings,
            run=number,
        )
        return _finished(session, catalog, _computed(session))


def _computed(session: Session) -> _Done:
    """Do the work; where it is broken off, the run's end is stored."""
    # Before loads and workers that have begun are waited for.
    with model_cache(session.resolved, session.settings.device) as models:
        try:
            return _Work(session, models).do()
        except BaseException as error:
            code = _code_of(error)
            status = "interrupted" if code == ExitCode.INTERRUPTED else "failed"
            session.writer.finish_run(session.run, status=status, exit_code=code)
            raise


def _finished(session: Session, catalog: Catalog, done: _Done) -> Summary:
    """Score the cells, and store the end of the run."""
    writer, plan, number = session.writer, session.resolved.plan, session.run
    failures = [
        *score(session.resolved, catalog, writer, session.journal, number),
        *done.failures,
    ]
    code = _exit_code(failures, session.resolved, catalog)
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


@dataclass(slots=True)
class _Done:
    """What the work has come to; see `Summary`."""

    found: int
    computed: int = 0
    transfers: int = 0
    failures: list[str] = field(default_factory=list)


class _Work:
    """All that is computed in a run: the models' cells, then the transfers."""

    def __init__(self, session: Session, models: ModelCache) -> None:
        self._session, self._models, self._plan = session, models, session.resolved.plan
        self._progress, self._settings = session.progress, session.settings
        left = pending(
            self._plan,
            session.images.keys,
            session.writer.db,
            retry_errors=session.settings.retry_errors,
        )
        self._left = left
        self._shown = sum(count for _, count in left.transfers)
        # Where sets are not kept, other models see a model's candidates right after its cells.
        self._streaming = self._plan.transfer is not None and not self._plan.transfer.keep_sets
        self._transfers = TransferWork(session, models, left.transfers)
        self._done = _Done(sum(len(cell.images) for cell in self._plan.cells) - left.images)
        self._progress.start(
            cells=sum(1 for ids in left.cells.values() if ids),
            images=left.images + (self._shown if self._streaming else 0),
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
        busy = [model for model in self._plan.models if self._left.is_busy(self._plan.of(model))]
        todo = self._left.cells
        count = self._settings.workers or sensible(self._plan, todo, self._settings.device)
        if self._streaming or min(count, len(busy)) < 2:
            self._one_by_one(self._plan.models if self._streaming else busy)
            return
        count = min(count, len(busy))
        turns = [
            Turn(model.name, {c.key: todo[c.key] for c in self._plan.of(model)}, self._session.run)
            for model in busy
        ]
        try:
            crew = WorkerProcesses(count, self._orders(count))
        except TypeError as error:
            self._progress.say(f"one model at a time, for other processes cannot have it: {error}")
            self._one_by_one(busy)
            return
        with crew:
            for each in crew.work(turns, self._session.writer, self._progress):
                if each.reason:
                    self._done.failures.append(f"{each.model}: {each.reason}")
                self._count(each.model, each.computed, each.failed)

    def _one_by_one(self, models: Sequence[Component]) -> None:
        with Workers() as workers:
            for model, after in zip_longest(models, models[1:]):
                cells = self._plan.of(model)
                if self._left.is_busy(cells):
                    session = self._session
                    work = ModelWork(
                        *(session.resolved, self._models, session.writer, self._progress),
                        device=self._settings.device,
                        batch_size=self._settings.batch_size,
                        images=session.images,
                        keys=session.images.keys,
                        run=session.run,
                        workers=workers,
                        journal=session.journal,
                    )
                    # Where sets are streamed, other models come in between.
                    then = after.name if after and not self._streaming else None
                    failed = work.do(cells, self._left.cells, then)
                    self._count(model.name, work.computed, failed)
                if self._streaming:
                    self._transfers.stream([c for c in self._plan.sources if c.model is model])

    def _count(self, model: str, computed: int, failed: bool) -> None:
        self._done.computed += computed
        session = self._session
        if row := model_row(session.writer.db.conn, self._plan.suite, model):
            session.progress.completed(row)
        if failed and self._settings.fail_fast:
            raise FailFast(model)

    def _orders(self, count: int) -> Orders:
        session = self._session
        return Orders(
            session.resolved,
            path_of(session.writer.db),
            self._settings.device,
            self._settings.batch_size,
            session.images.keys,
            session.run,
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
