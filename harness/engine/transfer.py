"""A target's predictions of images that were made for another model, in batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from harness.engine.adaptation import adapted
from harness.engine.device import Glance, runs_ahead, sent
from harness.engine.forwards import Forward
from harness.engine.halving import BatchSize

_Item = TypeVar("_Item")
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Pictures:
    """A batch as it comes from its source.

    Attributes:
        images: float32 (n, channels, height, width) in [0, 1], on the host, as the source's are.
        goals: int64 (n,), the class whose rank is asked for.
        verdicts: int64 (n,) or None: the classes that the source's own verdict predicted, where
            the target is the source. The verdict counts, however this batch's rounding resolves
            numerical ties.
    """

    images: Tensor
    goals: Tensor
    verdicts: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """The target's predictions for a batch, and the 0-based ranks of its goals, best first.

    Equal logits rank by the lower class, so that rank 0 is the prediction. None: the target
    returned NaN or infinity.
    """

    predicted: list[int | None]
    ranks: list[int | None]


def evaluate(
    forward: Forward,
    batches: Iterable[Pictures],
    *,
    border: float,
    on_halving: Callable[[int], None],
) -> Iterator[Seen]:
    """What ``forward``'s model makes of each of ``batches``, adapted to its size; in their order.

    On a GPU a batch is queued before the one before it is waited for.

    Raises:
        ModelError: the model fails, or has no memory for a single image.
    """
    queued: deque[Glance] = deque()
    size: BatchSize | None = None
    for batch in batches:
        size = size or BatchSize(len(batch.images), forward.device, on_halving)
        look = partial(_look, forward, batch, border)
        parts = list(size.parts(look, range(len(batch.images))))
        queued.append(Glance(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)))
        if len(queued) > 1 or not runs_ahead(forward.device):
            yield _seen(queued.popleft().seen())
    while queued:
        yield _seen(queued.popleft().seen())


def read_ahead(
    items: Iterable[_Item], read: Callable[[_Item], _Read]
) -> Iterator[tuple[_Item, _Read]]:
    """Each of ``items`` with what ``read`` makes of it: the next one is read meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
        coming: deque[tuple[_Item, Future[_Read]]] = deque()
        for item in items:
            coming.append((item, pool.submit(read, item)))
            if len(coming) > 1:
                before, found = coming.popleft()
                yield before, found.result()
        for before, found in coming:
            yield before, found.result()


def _look(forward: Forward, batch: Pictures, border: float, numbers: Sequence[int]) -> Tensor:
    """Predictions and ranks of these rows, int64 (2, n) on the device; -1: not finite."""
    rows = slice(numbers[0], numbers[-1] + 1)
    images = sent(batch.images[rows], forward.device)
    images = adapted(images, forward.shape, border).contiguous(memory_format=forward.memory_format)
    with torch.inference_mode():
        logits = forward.run(images)
        sane = logits.isfinite().all(1)
        if batch.verdicts is not None:
            first = sent(batch.verdicts[rows], forward.device)[:, None]
            logits = logits.scatter(1, first, torch.inf)
        goals = sent(batch.goals[rows], forward.device)[:, None]
        own = logits.gather(1, goals)
        lower = torch.arange(logits.shape[1], device=forward.device) < goals
        ranks = ((logits > own) | ((logits == own) & lower)).sum(1)
        return torch.stack((logits.argmax(1), ranks)).where(sane, -1)


def _seen(found: Tensor) -> Seen:
    predicted, ranks = found.tolist()
    if -1 in predicted:
        predicted = [None if value < 0 else value for value in predicted]
        ranks = [None if value < 0 else value for value in ranks]
    return Seen(predicted, ranks)
