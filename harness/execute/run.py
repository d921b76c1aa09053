"""Run a plan: find what is not yet stored, do it model by model, score the cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest

from harness.errors import ExitCode, HarnessError
from harness.execute.completed import model_row
from harness.execute.driver import FailFast, drive
from harness.execute.environment import environment
from harness.execute.executors.executor import Executor
from harness.execute.executors.inline import Inline
from harness.execute.executors.processes import Processes, sensible
from harness.execute.images import Images
from harness.execute.journal import Journal, path_beside
from harness.execute.model_cache import Loadable
from harness.execute.model_turn import ModelTurn
from harness.execute.pending import pending, plan_images
from harness.execute.progress import RunProgress
from harness.execute.scoring import masked, score
from harness.execute.session import Session, Settings
from harness.execute.transfer import Transfers
from harness.execute.transfer_turn import TransferTurn
from harness.execute.turn import Turn
from harness.execute.worker import WorkerSettings
from harness.planning import Component, NumericPolicy
from harness.plugins import Catalog
from harness.resolve.prepare import Resolved
from harness.signals import asked
from harness.store.database import file_errors, path_of
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
        lost: files of saved adversarial examples that are missing or damaged.
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
    path = path_of(writer.db)
    with ExitStack() as stack:
        with file_errors(path):
            journal = stack.enter_context(Journal(path_beside(path)))
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
    with Inline(_Watch(session), session.images) as here:
        try:
            return _Work(session, here).do()
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
    """What was done; see `Summary`."""

    found: int
    computed: int = 0
    transfers: int = 0
    failures: list[str] = field(default_factory=list)


class _Watch:
    """What the worker of this process says at once."""

    def __init__(self, session: Session) -> None:
        self.call, self.idle = session.journal.call, session.journal.idle
        self.beat = session.progress.advance


class _Work:
    """All that is computed in a run: the models' cells, then the transfers.

    Args:
        here: the executor of this process.
    """

    def __init__(self, session: Session, here: Executor) -> None:
        self._session, self._plan, self._here = session, session.resolved.plan, here
        self._left = left = pending(
            self._plan,
            session.images.keys,
            session.writer.db,
            retry_errors=session.settings.retry_errors,
        )
        self._shown = sum(count for _, count in left.transfers)
        # Where sets are not kept, other models see a model's candidates right after its cells.
        self._streaming = self._plan.transfer is not None and not self._plan.transfer.keep_sets
        self._transfers = Transfers(session, left.transfers, self._shown_to)
        self._done = _Done(sum(len(cell.images) for cell in self._plan.cells) - left.images)

    def do(self) -> _Done:
        done, transfers, left = self._done, self._transfers, self._left
        self._session.progress.start(
            cells=sum(1 for ids in left.cells.values() if ids),
            images=left.images + (self._shown if self._streaming else 0),
        )
        self._here.start(worker_settings(self._session.resolved, self._session.settings))
        try:
            if self._streaming:
                self._stream()
            else:
                with self._executor() as executor:
                    self._do_models(executor)
                    if self._shown:
                        # Apart: a thousand transfers take as long as one image of a cell.
                        self._session.progress.start(cells=0, images=self._shown)
                        transfers.do(self._plan.sources, executor)
        except FailFast as error:
            done.failures.append(f"stopped at {error}: --fail-fast")
        transfers.say_dropped()
        done.transfers = transfers.computed
        done.failures += transfers.problems()
        return done

    @contextmanager
    def _executor(self) -> Iterator[Executor]:
        """Where models are worked on: several processes if they help, else this one."""
        settings = self._session.settings
        count = settings.workers or sensible(self._plan, self._left.cells, settings.device)
        count = min(count, len(self._busy))
        if count > 1:
            with Processes(count) as processes:
                try:
                    processes.start(worker_settings(self._session.resolved, settings))
                except TypeError as error:
                    self._session.progress.say(
                        f"one model at a time: worker processes cannot receive it: {error}"
                    )
                else:
                    yield processes
                    return
        yield self._here

    @cached_property
    def _busy(self) -> list[Component]:
        return [model for model in self._plan.models if self._left.is_busy(self._plan.of(model))]

    def _do_models(self, executor: Executor) -> None:
        """Each model's cells; a single worker loads the next model ahead."""
        following = [model.name for model in self._busy[1:]] if executor.slots == 1 else []
        turns = [self._turn(model, then) for model, then in zip_longest(self._busy, following)]
        drive(turns, executor, self._ended)

    def _stream(self) -> None:
        """Each model's cells, then its candidates on all models."""
        for model in self._plan.models:
            if self._left.is_busy(self._plan.of(model)):
                drive([self._turn(model)], self._here, self._ended)
            sources = [cell for cell in self._plan.sources if cell.model is model]
            self._transfers.stream(sources, self._here)

    def _turn(self, model: Component, after: str | None = None) -> ModelTurn:
        return ModelTurn(self._session, self._plan.of(model), self._left.cells, after)

    def _ended(self, turn: ModelTurn) -> None:
        """A model's cells are computed, or failed."""
        self._done.computed += turn.computed
        row = model_row(self._session.writer.db.conn, self._plan.suite, turn.model)
        if row:
            self._session.progress.completed(row)
        self._check(turn, turn.model)

    def _shown_to(self, turn: TransferTurn) -> None:
        self._check(turn, f"{turn.model}: transfers")

    def _check(self, turn: Turn, label: str) -> None:
        if turn.reason:
            self._done.failures.append(f"{label}: {turn.reason}")
        if turn.failed and self._session.settings.fail_fast:
            raise FailFast(turn.model)


def worker_settings(resolved: Resolved, settings: Settings) -> WorkerSettings:
    """What the workers of a run need to know."""
    cells = resolved.plan.cells
    return WorkerSettings(
        dataset=resolved.dataset,
        models={
            model.name: Loadable(model, *resolved.models[model.name])
            for model in resolved.plan.models
        },
        attacks=resolved.attacks,
        measurements=resolved.measurements,
        policy=cells[0].policy if cells else NumericPolicy(),
        device=settings.device,
        batch_size=settings.batch_size,
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
