"""What observers are told of a run when its work begins."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.api import PlannedCell, RunStarted
from harness.execute.session import Session
from harness.store.database import path_of
from harness.version import __version__


def started(session: Session) -> RunStarted:
    """The run, its cells and how it works."""
    plan, settings = session.resolved.plan, session.settings
    return RunStarted(
        run=session.run,
        database=str(path_of(session.writer.db).resolve()),
        harness=__version__,
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        suite=plan.suite,
        dataset=session.resolved.dataset.spec.name,
        models=tuple(model.name for model in plan.models),
        cells=tuple(
            PlannedCell(
                key=cell.key,
                model=cell.model.name,
                task=cell.task.label if cell.task else None,
                goal=str(cell.goal) if cell.goal else None,
                images=len(cell.images),
            )
            for cell in plan.cells
        ),
        seed=plan.seed,
        numerics=plan.policy.precision,
        executor=settings.executor,
        device=str(settings.device),
        batch_size=settings.batch_size,
        shard=str(plan.part) if plan.part else None,
        fresh=settings.fresh,
        retry_errors=settings.retry_errors,
    )
