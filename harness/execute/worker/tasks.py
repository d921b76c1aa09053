"""A worker's tasks on a model's own images: predict, attack, measure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import torch
from torch import Tensor

from harness.api import (
    AttackParameters,
    CleanPrediction,
    DataError,
    Measured,
    Measurement,
    Outcome,
    Status,
    Verdict,
)
from harness.engine import exact
from harness.engine.batches import attack_images
from harness.engine.classifier import PixelClassifier
from harness.engine.clean import predict_clean
from harness.engine.jobs import Job, Judged
from harness.engine.measurements import measure_images
from harness.engine.workers import Workers
from harness.errors import StoreError
from harness.execute.events import (
    Attacked,
    Beat,
    Event,
    Failed,
    Halved,
    MeasuredRows,
    Predicted,
)
from harness.execute.failure import failure
from harness.execute.images import Images
from harness.execute.patience import PatientWatch
from harness.execute.shards import Assigned, AttackTask, CleanTask, MeasurementTask, Shard
from harness.execute.worker.model_cache import Loaded
from harness.execute.worker.supplies.saved import SavedExamples
from harness.sealed import SavedRow

OnCall = Callable[[Sequence[Job]], None]
_Unreadable = list[tuple[Assigned, str]]


@dataclass(slots=True, kw_only=True)
class Present:
    """The model at work, and what its tasks need.

    Attributes:
        saved: adversarial examples of this run and earlier ones.
        beat: called after each pass of a measurement.
        rows: how many images every pass has; None: as many as there are.
        size: images in a batch; halved for good when the device runs out of memory.
        checked: whether it was found to be exact, where that is needed.
    """

    name: str
    loaded: Loaded
    images: Images
    saved: SavedExamples
    watch: PatientWatch
    beat: Callable[[], None]
    rows: int | None
    evict_others: Callable[[], None]
    size: int
    checked: bool = field(default=False, init=False)
    _news: list[Event] = field(default_factory=list, init=False)

    @property
    def model(self) -> PixelClassifier:
        return self.loaded.model

    def halve(self, size: int) -> None:
        """There was no memory for a batch: models that only wait must go.

        Raises:
            ModelError: the size is part of the results' identity.
        """
        if self.rows is not None:
            raise exact.no_memory(self.rows)
        self.evict_others()
        self.size = size
        self._news.append(Halved(size))

    def fail(self, error: str) -> None:
        """Something failed within a call: that is yielded before anything else."""
        self._news.append(Failed(error))

    def news(self) -> Iterator[Event]:
        """What happened within calls, since the last time."""
        news, self._news = self._news, []
        yield from news

    def calling(self, shard: Shard) -> OnCall:
        """For the engine: what it calls before it lets a plugin work on jobs."""

        def on_call(jobs: Sequence[Job]) -> None:
            images = [(job.cell, job.image_id) for job in jobs]
            self.watch.call(f"{shard.label} ({shard.speaker})", images)

        return on_call


def predicted(task: CleanTask, present: Present) -> Iterator[Event]:
    """Predict the task's images."""
    model = present.model
    unreadable: list[CleanPrediction] = []

    def images() -> Generator[tuple[str, Tensor, int], None, None]:
        ids = [image.name for image in task.images]
        stream = present.images.stream(ids, model.shape, present.loaded.cut)
        with closing(stream):
            for key, image in zip(task.images, stream, strict=True):
                if isinstance(image, DataError):
                    unreadable.append(CleanPrediction(key.name, key.label, error=str(image)))
                else:
                    yield key.name, image, key.label

    try:
        with closing(images()) as stream:
            for rows in predict_clean(
                model, stream, batch_size=present.size, on_halving=present.halve
            ):
                yield Predicted(rows)
    except Exception as error:
        yield Failed(failure(error))
    if unreadable:
        yield Predicted(unreadable)


def attacked(
    task: AttackTask, present: Present, attack: AttackParameters, on_call: OnCall
) -> Iterator[Event]:
    """Attack the task's images, which differ in their goals."""
    unreadable: _Unreadable = []
    try:
        with closing(_jobs(task.images, present, unreadable, task.budget)) as stream:
            for judged in attack_images(
                attack,
                present.model,
                stream,
                batch_size=present.size,
                on_halving=present.halve,
                on_call=on_call,
                eight_bit=task.eight_bit,
            ):
                for cell in dict.fromkeys(row.job.cell for row in judged):
                    rows = [row for row in judged if row.job.cell == cell]
                    yield _outcomes(cell, rows, keep=task.keep)
                yield Beat()
    except Exception as error:
        yield Failed(failure(error))
    for each, why in unreadable:
        verdict = Verdict(Status.ERROR)
        row = Outcome(image_id=each.image, label=each.label, verdict=verdict, error=why)
        yield Attacked(each.cell, [row])


def measured(
    task: MeasurementTask,
    present: Present,
    measurement: Measurement,
    fits: Workers,
    on_call: OnCall,
) -> Iterator[Event]:
    """Measure the task's images; ``fits`` does what needs no model."""
    unreadable: _Unreadable = []
    try:
        with closing(_jobs(task.images, present, unreadable)) as stream:
            for rows in measure_images(
                measurement,
                present.model,
                stream,
                fits,
                batch_size=present.size,
                on_halving=present.halve,
                on_pass=present.beat,
                on_call=on_call,
            ):
                faults = frozenset(row.image_id for row in rows)
                yield MeasuredRows(task.cell, rows, faults)
    except Exception as error:
        yield Failed(failure(error))
    for each, why in unreadable:
        row = Measured(image_id=each.image, status=Status.ERROR, error=why)
        yield MeasuredRows(each.cell, [row])


def _jobs(
    images: Sequence[Assigned],
    present: Present,
    unreadable: _Unreadable,
    budget: int | None = None,
) -> Generator[Job, None, None]:
    """The engine's jobs; an image that cannot be read goes to ``unreadable``.

    So does one whose adversarial example, from which it starts, is gone or damaged.
    """
    ids = [each.image for each in images]
    stream = present.images.stream(ids, present.model.shape, present.loaded.cut)
    with closing(stream):
        for each, image in zip(images, stream, strict=True):
            if isinstance(image, DataError):
                unreadable.append((each, str(image)))
                continue
            try:
                start = None if each.start is None else _example(each.start, present)
            except StoreError as error:
                unreadable.append((each, str(error)))
                continue
            yield Job(
                cell=each.cell,
                image_id=each.image,
                image=image,
                label=each.label,
                target=each.target,
                seed=each.seed,
                adversarial=start,
                budget=budget,
            )


def _example(start: SavedRow, present: Present) -> Tensor:
    return torch.from_numpy(present.saved.read([start])[0])


def _outcomes(cell: str, rows: Sequence[Judged], *, keep: bool) -> Attacked:
    found = {row.job.image_id: row.candidate for row in rows if row.candidate is not None}
    saved = found if keep else {}
    return Attacked(
        cell,
        [row.outcome for row in rows],
        faults=frozenset(row.job.image_id for row in rows if row.is_attacks_fault),
        saved=list(saved),
        candidates=torch.stack(list(saved.values())).contiguous().numpy() if saved else None,
    )
