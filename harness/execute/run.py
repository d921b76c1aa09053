"""Run a plan: find what is not yet stored, do it model by model, score the cells."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from harness.errors import ExitCode, HarnessError
from harness.estimate.calibrate import calibrate
from harness.execute.completed import model_row
from harness.execute.driver.cell_group import CellGroup
from harness.execute.driver.costs import Costs, estimated_costs
from harness.execute.driver.crew import Crew
from harness.execute.driver.driver import Driver, FailFast
from harness.execute.driver.hiring import Hiring
from harness.execute.driver.model_work import ModelWork
from harness.execute.driver.provision import provided
from harness.execute.driver.queues import queues_of
from harness.execute.driver.roster import Roster
from harness.execute.driver.scheduler import Scheduler
from harness.execute.driver.target_group import TargetGroup
from harness.execute.driver.transfer import Transfers
from harness.execute.environment import environment
from harness.execute.executors.inline import Inline
from harness.execute.executors.processes import Processes
from harness.execute.images import Images
from harness.execute.journal import Journal, path_beside
from harness.execute.patience import patience
from harness.execute.pending import Pending, everything, pending, plan_images
from harness.execute.progress import RunProgress
from harness.execute.scoring import masked, score
from harness.execute.session import Session, Settings
from harness.execute.started import started
from harness.plugins import Catalog
from harness.resolve.code import changed_code, codes_of
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
    path, plan = path_of(writer.db), resolved.plan
    with ExitStack() as stack:
        with file_errors(path):
            journal = stack.enter_context(Journal(path_beside(path)))
        if journal.last:
            progress.say(journal.last)
        journal.call(f"dataset {resolved.dataset.spec.name}")
        images, plugin = Images(resolved.dataset), resolved.dataset.plugin
        images.entrust(plugin, patience(settings.placement.image_timeout, plugin))
        images.identify(plan_images(plan), progress.say)
        journal.idle()
        left = everything(plan)
        if not settings.fresh:
            keys, retry = images.keys, settings.retry_errors
            left = pending(plan, keys, writer.db, retry_errors=retry)
        crew = None
        if left.images or any(count for _, count in left.transfers):
            # Before anything is stored: what a worker lacks ends the run without a trace.
            hiring = Hiring(settings, catalog, _Watch(journal, progress), progress.say)
            given = provided(
                resolved,
                catalog,
                images,
                writer.artifacts.folder,
                batch_size=settings.batch_size,
                image_timeout=settings.placement.image_timeout,
                silence=settings.placement.silence,
            )
            crew = stack.enter_context(hiring.crew(plan, left, *given))
        number = writer.begin_run(
            plan,
            environment=environment(catalog),
            command=command,
            images=list(images.keys.values()),
        )
        writer.record_plugin_errors(number, catalog.broken)
        if settings.fresh:
            writer.forget(cell.key for cell in plan.cells)
        session = Session(
            resolved=resolved,
            images=images,
            writer=writer,
            progress=progress,
            journal=journal,
            settings=settings,
            run=number,
            codes=codes_of(plan.cells, catalog),
        )
        for line in changed_code(writer.db.conn, catalog, {cell.key for cell in plan.cells}):
            progress.say(line)
        progress.began(started(session))
        return _finished(session, catalog, _computed(session, left, crew))


def _computed(session: Session, left: Pending, crew: Crew | None) -> _Done:
    """Do the work; where it is broken off, the run's end is stored."""
    try:
        return _Work(session, left).do(crew)
    except BaseException as error:
        code = _code_of(error)
        status = "interrupted" if code == ExitCode.INTERRUPTED else "failed"
        session.writer.finish_run(session.run, status=status, exit_code=code)
        raise


def _finished(session: Session, catalog: Catalog, done: _Done) -> Summary:
    """Score the cells, and store the end of the run."""
    writer, plan, number = session.writer, session.resolved.plan, session.run
    failures = [
        *score(session, catalog),
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

    def __init__(self, journal: Journal, progress: RunProgress) -> None:
        self.call, self.idle = journal.call, journal.idle
        self.beat = progress.advance

    def ask(self, request: Any) -> Any:
        raise AssertionError("an executor answers")


class _Work:
    """All that is computed in a run: the models' cells, and the transfers."""

    def __init__(self, session: Session, left: Pending) -> None:
        self._session, self._plan, self._left = session, session.resolved.plan, left
        self._costs = _costs(session.resolved, session.settings)
        self._queues = queues_of(self._plan, left, self._costs)
        self._models = [
            ModelWork(
                session,
                self._plan.of(model),
                left.cells,
                self._queues.cells[model.name],
                on_group=self._attacked,
                on_end=self._ended,
            )
            for model in self._plan.models
        ]
        self._transfers = Transfers(
            session, left.transfers, self._queues.targets, ended=self._shown_to
        )
        self._busy = len(self._models)
        # Where sets are not kept, other models see a model's examples right after its cells.
        self._streams = self._plan.transfer is not None and not self._plan.transfer.keep_sets
        self._done = _Done(sum(len(cell.images) for cell in self._plan.cells) - left.images)

    def do(self, crew: Crew | None) -> _Done:
        done, transfers, left = self._done, self._transfers, self._left
        self._session.progress.start(
            cells=sum(1 for ids in left.cells.values() if ids),
            images=left.images + (transfers.left if self._streams else 0),
        )
        try:
            for model in self._models:
                model.begin()
            if crew is not None:
                own = [group for model in self._models for group in model.groups]
                alone = isinstance(crew.executor, Inline | Processes) and len(crew.members) == 1
                scheduler = Scheduler(self._queues.all, loading=self._costs.loading, whole=alone)
                roster = Roster(self._session)
                roster.look(list(crew.members.values()))
                Driver(crew, scheduler, [*own, *transfers.groups], roster.look).drive()
                roster.look([*crew.gone, *crew.members.values()], last=True)
        except FailFast as error:
            done.failures.append(f"stopped at {error}: --fail-fast")
        transfers.say_dropped()
        done.transfers = transfers.computed
        done.failures += transfers.problems()
        return done

    def _attacked(self, group: CellGroup) -> None:
        """An attack, or a measurement, is over: its saved examples can be shown."""
        if not self._streams:
            self._transfers.open(group.cells)

    def _ended(self, model: ModelWork) -> None:
        """A model's cells are computed, or failed."""
        self._busy -= 1
        if model.computed or model.failed:
            self._done.computed += model.computed
            row = model_row(self._session.writer.db.conn, self._plan.suite, model.model)
            if row:
                self._session.progress.completed(row)
        if self._streams:
            sources = [cell for cell in self._plan.sources if cell.model.name == model.model]
            self._transfers.open(sources)
        if not self._busy:
            self._transfers.announce()
        self._check(model, model.model)

    def _shown_to(self, group: TargetGroup) -> None:
        self._check(group, group.label)

    def _check(self, work: ModelWork | TargetGroup, label: str) -> None:
        if work.reason:
            self._done.failures.append(f"{label}: {work.reason}")
        if work.failed and self._session.settings.fail_fast:
            raise FailFast(work.model)


def _costs(resolved: Resolved, settings: Settings) -> Costs:
    """What the work takes, by what earlier measurements of passes say; none are made now."""
    models = [model.name for model in resolved.plan.models]
    device = str(settings.device)
    known = calibrate(resolved, models, device, measure=False, say=lambda line: None)
    return estimated_costs(resolved, known.costs)


def _code_of(error: BaseException) -> ExitCode:
    """What a run ends with that ``error`` breaks off; an interrupt may have become another one."""
    if asked() or isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return error.exit_code if isinstance(error, HarnessError) else ExitCode.CELLS_FAILED


def _exit_code(failures: Sequence[str], resolved: Resolved, catalog: Catalog) -> ExitCode:
    if resolved.plan.unavailable and catalog.broken:
        return ExitCode.PLUGIN
    return ExitCode.CELLS_FAILED if failures else ExitCode.OK
