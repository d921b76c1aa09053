"""A worker: does shards, one after the other, and knows no database.

The same one works in this process and in others; see `harness.execute.executors`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

import torch

from harness.api import AttackParameters, Measurement, Watch, Work
from harness.engine import exact
from harness.engine.device import default_batch_size, describe
from harness.engine.threads import adapting
from harness.engine.workers import SILENCE, Workers
from harness.execute.events import Began, Event, Failed, Noted, Tried, Unusable
from harness.execute.failure import failure
from harness.execute.images import Images
from harness.execute.patience import PatientWatch, patience
from harness.execute.shards import AttackTask, CleanTask, MeasurementTask, Shard, TransferTask
from harness.execute.worker.model_cache import Loadable, model_cache
from harness.execute.worker.supplies.manifest import Manifest
from harness.execute.worker.supplies.supplies import Supplies
from harness.execute.worker.tasks import Present, attacked, measured, predicted
from harness.execute.worker.transfer_task import shown
from harness.execute.worker.trials import try_model
from harness.overdue import WITHOUT_IMAGES, overseer
from harness.planning import NumericPolicy
from harness.resolve.classes import must_fit
from harness.terminal import named


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What all shards of a run have in common; it is pickled.

    Attributes:
        manifest: what the models, images and saved examples are made of.
        models: by name; ``attacks`` and ``measurements`` by label.
        batch_size: None: a default for the device and the image size.
        image_timeout: see `harness.execute.patience.patience`.
        silence: see `harness.api.Placement`; of the processes that a worker has.
    """

    manifest: Manifest
    models: Mapping[str, Loadable]
    attacks: Mapping[str, AttackParameters]
    measurements: Mapping[str, Measurement]
    policy: NumericPolicy
    batch_size: int | None
    image_timeout: float | None = None
    silence: float = SILENCE


class Worker(Work):
    """Does shards; a context that leaves no thread or process behind.

    Images and models stay in memory between shards.

    Args:
        images: what this process has read already; None: the worker reads its own.
        fits: processes for the later parts of measurements; None: as many as help.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        device: torch.device,
        watch: Watch,
        *,
        images: Images | None = None,
        fits: int | None = None,
    ) -> None:
        self._settings, self._device = settings, device
        self._beat, self._watch = watch.beat, PatientWatch(watch)
        self._supplies = Supplies(settings.manifest, watch.ask, images)
        plugin = settings.manifest.reader.plugin
        self._supplies.images.entrust(plugin, patience(settings.image_timeout, plugin))
        weights = self._supplies.weights
        self._models = model_cache(settings.models, settings.policy, device, weights)
        self._fits = Workers(fits, silence=settings.silence)
        self._present: Present | None = None

    def __exit__(self, *raised: object) -> None:
        self._present = None
        with self._models, self._fits:
            pass

    @property
    def device(self) -> str:
        return describe(self._device)

    def do(self, shard: Shard) -> Generator[Event, None, None]:
        """Do ``shard``: yields its results as they are found.

        Raises nothing of its own: what fails is an event.
        """
        for event in self._done(shard):
            with overseer.aside():  # what others do with it is not the plugin's time
                yield from map(Noted, self._supplies.notes())
                yield event

    def _done(self, shard: Shard) -> Generator[Event, None, None]:
        self._watch.patience = limit = self._patience(shard)
        self._fits.patience = None if limit is None else limit * WITHOUT_IMAGES
        try:
            present = yield from self._ready(shard)
        except Exception as error:
            self._watch.idle()
            yield Unusable(failure(error))
            return
        yield Began(present.size, self._models.resident)
        with named(shard.speaker), adapting():
            try:
                for event in self._do(shard, present):
                    yield from present.news()
                    yield event
            except Exception as error:  # whatever it was, other shards are not concerned
                yield from present.news()
                yield Failed(failure(error))
            self._watch.idle()

    def _patience(self, shard: Shard) -> float | None:
        """What the plugins that the shard needs may take for each image."""
        model = self._settings.models[shard.model].component.plugin
        task = [shard.plugin] if shard.plugin else []
        return patience(self._settings.image_timeout, model, *task)

    def _ready(self, shard: Shard) -> Generator[Event, None, Present]:
        """The shard's model, loaded and tried."""
        present, settings = self._present, self._settings
        if present is None or present.name != shard.model:
            self._present = present = None  # so that its memory can be freed
            model = settings.models[shard.model]
            plugin = model.component.plugin
            self._watch.call(f"the loading of {shard.model} (plugin {plugin})")
            must_fit(model.spec.classes, settings.manifest.reader)
            loaded = self._models.use(shard.model, shard.next_model)
            trial = try_model(loaded, shard.trial, self._supplies.images, self._models.evict_others)
            if trial is not None:
                yield Tried(trial)
            asked = settings.policy.rows or settings.batch_size
            self._present = present = Present(
                name=shard.model,
                loaded=loaded,
                images=self._supplies.images,
                saved=self._supplies.saved,
                watch=self._watch,
                beat=self._beat,
                rows=settings.policy.rows,
                evict_others=self._models.evict_others,
                size=asked or default_batch_size(self._device, loaded.model.shape),
            )
        if not present.checked and not isinstance(shard.task, TransferTask):
            exact.check(present.model)
            present.checked = True
        return present

    def _do(self, shard: Shard, present: Present) -> Iterator[Event]:
        task, settings = shard.task, self._settings
        if shard.plugin is None and self._watch.patience is not None:
            plugin = settings.models[shard.model].component.plugin
            self._watch.call(f"{shard.label} (plugin {plugin})")
        match task:
            case CleanTask():
                return predicted(task, present)
            case AttackTask():
                on_call = present.calling(shard)
                return attacked(task, present, settings.attacks[task.attack], on_call)
            case MeasurementTask():
                measurement = settings.measurements[task.measurement]
                return measured(task, present, measurement, self._fits, present.calling(shard))
            case TransferTask():
                return shown(task, present, settings.models)
