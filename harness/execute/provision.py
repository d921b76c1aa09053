"""What the workers of a run are provided with."""

from __future__ import annotations

from harness.execute.images import Images
from harness.execute.model_cache import Loadable
from harness.execute.passport import Passport
from harness.execute.program import Program
from harness.execute.worker import WorkerSettings
from harness.planning import NumericPolicy
from harness.plugins import Catalog
from harness.resolve.prepare import Resolved


def program_of(
    resolved: Resolved,
    catalog: Catalog,
    *,
    batch_size: int | None,
    images: Images | None = None,
) -> Program:
    """The program of a run.

    Args:
        batch_size: None: a default for each device and image size.
        images: those of a worker in this process; workers elsewhere read their own.
    """
    cells = resolved.plan.cells
    parts = [part for cell in cells for part in (cell.model, cell.dataset)]
    parts += [cell.task.component for cell in cells if cell.task is not None]
    passport = Passport.of(catalog, {part.plugin for part in parts})
    return Program(settings_of(resolved, batch_size), passport, images)


def settings_of(resolved: Resolved, batch_size: int | None) -> WorkerSettings:
    """What all shards of the run have in common."""
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
        batch_size=batch_size,
    )
