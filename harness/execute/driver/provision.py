"""What the workers of a run are provided with."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from harness.engine.workers import SILENCE
from harness.execute.images import Images
from harness.execute.worker.model_cache import Loadable
from harness.execute.worker.passport import Passport
from harness.execute.worker.program import Program
from harness.execute.worker.supplies.manifest import Manifest, Reader, weights_of
from harness.execute.worker.supplies.source import ManifestSource
from harness.execute.worker.worker import WorkerSettings
from harness.planning import Plan
from harness.plugins import Catalog
from harness.resolve.composites import offered_by
from harness.resolve.prepare import Resolved


class Provision(NamedTuple):
    """What an executor is started with."""

    program: Program
    source: ManifestSource


def provided(
    resolved: Resolved,
    catalog: Catalog,
    images: Images,
    artifacts: Path,
    *,
    batch_size: int | None,
    image_timeout: float | None = None,
    silence: float = SILENCE,
) -> Provision:
    """What the workers of a run need.

    Args:
        images: those of the plan, identified; a worker in this process reads them with it.
        artifacts: the folder of saved adversarial examples.
        batch_size: None: a default for each device and image size.
        image_timeout: see `harness.execute.patience.patience`.
        silence: see `harness.api.Placement`.
    """
    passport = Passport.of(catalog, plugins_of(resolved.plan))
    manifest = manifest_of(resolved, images, artifacts)
    settings = settings_of(resolved, manifest, batch_size, image_timeout, silence)
    return Provision(Program(settings, passport, images), ManifestSource(manifest))


def plugins_of(plan: Plan) -> set[str]:
    """Who offers what the cells need: ``distribution:plugin``."""
    parts = [part for cell in plan.cells for part in (cell.model, cell.dataset)]
    parts += [cell.task.component for cell in plan.cells if cell.task is not None]
    return {plugin for part in parts for plugin in offered_by(part)}


def manifest_of(resolved: Resolved, images: Images, artifacts: Path) -> Manifest:
    """What the run reads; see `provided`."""
    found = {
        model.name: weights_of(model, *resolved.models[model.name])
        for model in resolved.plan.models
    }
    return Manifest(
        reader=Reader.of(resolved.dataset),
        places=resolved.places,
        images=tuple(images.keys.values()),
        weights={name: weights for name, weights in found.items() if weights is not None},
        artifacts=artifacts,
    )


def settings_of(
    resolved: Resolved,
    manifest: Manifest,
    batch_size: int | None,
    image_timeout: float | None = None,
    silence: float = SILENCE,
) -> WorkerSettings:
    """What all shards of the run have in common."""
    return WorkerSettings(
        manifest=manifest,
        models={
            model.name: Loadable(model, *resolved.models[model.name])
            for model in resolved.plan.models
        },
        attacks=resolved.attacks,
        measurements=resolved.measurements,
        policy=resolved.plan.policy,
        batch_size=batch_size,
        image_timeout=image_timeout,
        silence=silence,
    )
