"""What the passes of a model cost on its device: FLOPs and time."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.engine.classifier import PixelClassifier
from harness.engine.device import is_out_of_memory, sent, synchronise

Work = Callable[[], int]
"""Queues some work on the device and returns how many images it was for."""

LOOKS = 2
"""How many passes are timed at least, where there is time."""
STEADY = 1.5
"""From here on the time of twice the images is taken to grow with their number."""
PATIENCE = 8
"""How many times longer a measurement may take that says little about the images so far."""

BLOCKS = 5
"""Into how many parts a measurement's time is divided, for the median; three at least."""


@dataclass(frozen=True, slots=True)
class PassCost:
    """What a pass costs for one image; ``gradient`` is a forward and a backward to the pixels.

    None: unknown, or the model has no gradients.
    """

    forward: float | None
    gradient: float | None


def random_images(model: PixelClassifier, count: int) -> Tensor:
    """``count`` fixed images of uniform noise on the model's device, in its layout."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand((count, *model.shape), generator=generator)
    return sent(images, model.device).contiguous(memory_format=model.memory_format)


def forward_pass(model: PixelClassifier, images: Tensor) -> Work:
    """The pass that predictions and verdicts are made with."""

    def work() -> int:
        model.predict(images)
        return len(images)

    return work


def gradient_pass(model: PixelClassifier, images: Tensor) -> Work:
    """A forward, and a backward to the pixels."""

    def work() -> int:
        made = model.differentiated(images)
        made.gradient(torch.ones_like(made.logits))
        return len(images)

    return work


def count_flops(model: PixelClassifier) -> PassCost:
    """FLOPs of a pass for one image, as torch counts them: two for a multiplication and addition.

    They are those of the network in torch: a model that torch cannot run has none.
    """
    if model.differentiable is None:
        return PassCost(None, None)
    images = random_images(model, 1)
    with torch.no_grad():
        forward = _flops(lambda: model.forward(images))
    images.requires_grad_(True)
    # Not autograd.grad: the counter's hooks cannot be at a leaf then.
    return PassCost(forward, _flops(lambda: torch.autograd.backward(model.forward(images).sum())))


def _flops(work: Callable[[], object]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    total: int = counter.get_total_flops()
    return total


def seconds_an_image(model: PixelClassifier, *, batch_size: int, seconds: float) -> PassCost:
    """A quick look at how long passes take for an image, in batches of ``batch_size`` if it can.

    Batches are doubled from a single image on, as long as the next one can be expected to end
    within ``seconds``, about which each of the two kinds of passes takes.
    """
    forward = _quick(model, forward_pass, batch_size, seconds)
    if model.differentiable is None:
        return PassCost(forward, None)
    return PassCost(forward, _quick(model, gradient_pass, batch_size, seconds))


def _quick(
    model: PixelClassifier,
    kind: Callable[[PixelClassifier, Tensor], Work],
    largest: int,
    seconds: float,
) -> float:
    """Seconds per image in the largest batch that the time allows, the fastest of several passes.

    While twice the images take about as long, their time is not the images' but that of starting
    the work, on a busy machine above all, and batches may grow for `PATIENCE` times as long.
    """
    work, size = kind(model, random_images(model, 1)), 1
    _timed(work, model.device)  # the first pass of all sets things up
    begun = time.perf_counter()
    took, growth = _timed(work, model.device), 1.0
    while size < largest:
        patience = PATIENCE if growth < STEADY else 1
        if time.perf_counter() - begun + growth * took > patience * seconds:
            break
        larger = min(2 * size, largest)
        try:
            next_work = kind(model, random_images(model, larger))
            longer = _timed(next_work, model.device)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            break
        work, size, took, growth = next_work, larger, longer, longer / took
    times = [took]
    while True:
        patience = PATIENCE if len(times) < LOOKS else 1
        if time.perf_counter() - begun + times[-1] > patience * seconds:
            break
        times.append(_timed(work, model.device))
    return min(times) / size  # others on the machine only ever make it slower


def images_a_second(work: Work, device: torch.device, *, seconds: float) -> float:
    """The median over blocks of calls, after a first one that warms up.

    Takes about ``seconds``, and three calls of ``work`` at least.
    """
    _timed(work, device)
    once = _timed(work, device)
    calls = max(1, int(seconds / BLOCKS / once))
    speeds: list[float] = []
    begun = time.perf_counter()
    while len(speeds) < 3 or time.perf_counter() - begun < seconds:
        before = time.perf_counter()
        images = sum(work() for _ in itertools.repeat(None, calls))
        synchronise(device)
        speeds.append(images / (time.perf_counter() - before))
    return statistics.median(speeds)


def _timed(work: Work, device: torch.device) -> float:
    begun = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - begun
