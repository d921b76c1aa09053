"""A worker's task on a target: adversarial examples of other models, and clean images as they are
read for those."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing

import torch
from torch import Tensor

from harness.api import DataError, Preprocessing
from harness.engine.adaptation import BORDERS
from harness.engine.device import pinned
from harness.engine.forwards import Forward, predicting
from harness.engine.transfer import Pictures, Seen, evaluate, read_ahead
from harness.errors import StoreError
from harness.estimate.passes import cache_folder, pass_cost_key
from harness.execute.events import CleanSeen, Event, SetSeen
from harness.execute.shards import ShownClean, ShownSet, TransferTask
from harness.execute.worker.forward_choice import TimingCache, fastest
from harness.execute.worker.model_cache import Loadable
from harness.execute.worker.tasks import Present
from harness.planning import Adaptation

_Rows = Sequence[int]
"""Numbers of rows, within a set or among the clean images."""


def shown(task: TransferTask, present: Present, models: Mapping[str, Loadable]) -> Iterator[Event]:
    """Predict the sets, then the clean images.

    The model's own examples go the way that their verdicts went.
    """
    own = sum(len(each.rows) for each in task.sets if each.own)
    forward = _fastest(present, models[present.name], task.images - own)
    for number, each in enumerate(task.sets):
        chosen = predicting(present.model) if each.own else forward
        yield from _set_shown(number, each, present, chosen)
    for number, clean in enumerate(task.clean):
        source = models[clean.source].spec.preprocessing
        yield from _clean_shown(number, clean, present, forward, source)


def _fastest(present: Present, model: Loadable, images: int) -> Forward:
    if present.rows is not None:
        return predicting(present.model)  # which way is fastest differs from run to run
    device = str(present.model.device)
    book = TimingCache(cache_folder() / "ways.json", device=device, batch_size=present.size)
    key = pass_cost_key(model.component, model.loader)
    return fastest(present.model, key, book, images=images, batch_size=present.size)


def _set_shown(number: int, shown: ShownSet, present: Present, forward: Forward) -> Iterator[Event]:
    device = present.model.device
    batches: deque[_Rows] = deque()

    def read(numbers: _Rows) -> Pictures | StoreError:
        rows = [shown.rows[row] for row in numbers]
        try:
            pixels = torch.from_numpy(present.saved.read([row.saved for row in rows]))
        except StoreError as error:
            return error
        return Pictures(
            pinned(pixels, device),
            torch.tensor([row.goal for row in rows]),
            torch.tensor([row.verdict for row in rows]) if shown.own else None,
        )

    def batched() -> Generator[Pictures, None, None]:
        for numbers, found in read_ahead(_batches(len(shown.rows), present), read):
            if isinstance(found, StoreError):
                present.fail(str(found))
                numbers = [
                    row for row in numbers if present.saved.is_intact(shown.rows[row].saved.file)
                ]
                found = read(numbers) if numbers else found
            if not isinstance(found, StoreError):
                batches.append(numbers)
                yield found

    with closing(batched()) as stream:
        for seen in _evaluated(forward, stream, shown.adaptation, present):
            yield SetSeen(number, batches.popleft(), seen.predicted, seen.ranks)


def _clean_shown(
    number: int, shown: ShownClean, present: Present, forward: Forward, source: Preprocessing
) -> Iterator[Event]:
    """Predict clean images, read as the models that ``shown`` is about read them."""
    batches: deque[_Rows] = deque()
    unreadable: list[int] = []

    def batched() -> Generator[Pictures, None, None]:
        stream = present.images.stream(shown.images, source.shape, source.cut)
        with closing(stream):
            batch: list[tuple[int, Tensor]] = []
            for row, image in enumerate(stream):
                if isinstance(image, DataError):
                    present.fail(str(image))
                    unreadable.append(row)
                else:
                    batch.append((row, image))
                if batch and (len(batch) >= present.size or row == len(shown.images) - 1):
                    batches.append([row for row, _ in batch])
                    images = torch.stack([image for _, image in batch])
                    goals = torch.zeros(len(batch)).long()
                    yield Pictures(pinned(images, present.model.device), goals)
                    batch = []

    with closing(batched()) as stream:
        for seen in _evaluated(forward, stream, shown.adaptation, present):
            yield CleanSeen(number, batches.popleft(), seen.predicted)
    yield CleanSeen(number, unreadable, [None] * len(unreadable))


def _evaluated(
    forward: Forward,
    stream: Generator[Pictures, None, None],
    how: Adaptation,
    present: Present,
) -> Iterator[Seen]:
    border = BORDERS.get(how.border, 0.0)  # with none there is nothing to fill
    return evaluate(forward, stream, border=border, on_halving=present.halve)


def _batches(count: int, present: Present) -> Iterator[_Rows]:
    start = 0
    while start < count:
        size = present.size
        yield range(start, min(start + size, count))
        start += size
