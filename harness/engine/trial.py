"""A model is tried before it is believed: a few passes of the same images, which must agree."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from harness.api import ModelError, look
from harness.api.trial import NUDGE, TOLERANCE, ModelTrial, Outputs
from harness.engine.classifier import PixelClassifier
from harness.engine.device import is_out_of_memory, sent
from harness.engine.halving import BatchSize
from harness.engine.timing import random_images

IMAGES = 4
"""How many images the trial uses: the run's first ones, filled up with noise."""

SUM_TOLERANCE = 1e-3
"""How far a sum of probabilities may be from one."""

REPEATS = 4
"""How many further passes show how far those of a model that draws numbers differ."""

BATCH = "an image's logits depend on the other images of its batch"
"""How the error begins of a model that cannot be measured for this."""

INSET = 0.01
"""How far inside the box the gradient is checked: a clamp at the box's edge has two slopes."""

STEP, LARGEST_STEP = 1e-3, 1 / 255
"""Of its difference quotients: as large as makes the margin change by this share of the largest
logit, but no larger than the second number in any pixel value."""

SMALLEST_STEP = 1e-4
"""A change of the margin, as a share of the largest logit, that rounding would drown."""

DIRECTIONS = 4
"""In how many directions each image's gradient is checked."""

TYPICAL, LARGEST_ERROR = math.sqrt(math.pi / 2), 10.0
"""A normal variable's standard deviation over the mean of its absolute value; and what an error
counts at most, as a share of the gradient's length: where a function jumps there is no limit."""

_Pass = Callable[[Tensor], Tensor]


def tried(model: PixelClassifier, images: Tensor, on_halving: Callable[[int], None]) -> ModelTrial:
    """Try ``model`` on ``images`` of its shape, float32 on the host: `IMAGES` at most.

    A model whose passes of the same batch differ is non-deterministic, and the trial says by how
    much. One whose logits of an image depend on the others in its batch cannot be measured.
    ``on_halving``: see `BatchSize`.

    Raises:
        ModelError: it fails, or an image's logits depend on the batch.
    """
    spare = random_images(model, IMAGES)[len(images) :]
    batch = torch.cat((sent(images[:IMAGES], model.device), spare))
    batch = batch.contiguous(memory_format=model.memory_format)
    size = BatchSize(IMAGES, model.device, on_halving)
    (found,) = size.stream(lambda count: [_tried(model, batch[:count])])
    return found


def _tried(model: PixelClassifier, batch: Tensor) -> ModelTrial:
    logits, dynamic = _watched(model, batch)
    first = look(logits).clone()
    difference = _compared(lambda images: look(model.predict(images)), batch, first)
    if model.has_own_forward and model.differentiable is not None:
        with torch.no_grad():
            own = look(model.forward(batch)).clone()
            again = _compared(lambda images: look(model.forward(images)), batch, own)
            difference = max(difference, again)
    return ModelTrial(
        images=len(batch),
        difference=difference,
        outputs=_outputs(first, complete=model.background is None),
        nearby=_difference(first, look(model.predict(_nudged(batch)))),
        gradient_error=_gradient_error(model, batch),
        dynamic=dynamic,
    )


def _watched(model: PixelClassifier, batch: Tensor) -> tuple[Tensor, bool]:
    """The logits, and whether the model recorded a graph although nobody wants gradients."""
    recorded = []

    def packed(tensor: Tensor) -> Tensor:
        recorded.append(True)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(packed, lambda tensor: tensor):
        return model.predict(batch), bool(recorded)


def _nudged(batch: Tensor) -> Tensor:
    """The images with every value changed by `NUDGE`, up or down, within the box."""
    drawn = torch.rand(batch.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    up = sent(drawn, batch.device) & (batch <= 1 - NUDGE) | (batch < NUDGE)
    return torch.where(up, batch + NUDGE, batch - NUDGE)


def _gradient_error(model: PixelClassifier, batch: Tensor) -> float | None:
    """How far the gradient of the margin is from central differences in random directions.

    The margin is that of the largest logit over the second. Along a vector of random signs a
    function's slope differs from what a wrong gradient says by about the length of the error; the
    mean over images and directions counts. None where no image has a gradient.
    """
    if model.differentiable is None:
        return None
    images = INSET + (1 - 2 * INSET) * batch
    try:
        made = model.differentiated(images)
        best = made.logits.topk(2).indices
        sides = torch.zeros_like(made.logits).scatter(1, best[:, :1], 1).scatter(1, best[:, 1:], -1)
        gradient = made.gradient(sides)
        length, largest = gradient.flatten(1).norm(dim=1), made.logits.abs().amax(1)
        step = (STEP * largest / length).clamp(max=LARGEST_STEP)
        found = [_misled(model, images, gradient, sides, step, seed) for seed in range(DIRECTIONS)]
    except (ModelError, RuntimeError) as error:  # attacks will say so, image by image
        if is_out_of_memory(error):
            raise
        return None
    known = step * length > SMALLEST_STEP * largest
    errors = look(torch.where(known, torch.stack(found) / length, torch.nan))
    errors = errors[errors.isfinite()]
    return TYPICAL * float(errors.abs().clamp(max=LARGEST_ERROR).mean()) if len(errors) else None


def _misled(
    model: PixelClassifier, images: Tensor, gradient: Tensor, sides: Tensor, step: Tensor, seed: int
) -> Tensor:
    """The slope of the margin along random signs minus what the gradient says, (n,)."""
    drawn = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    way = torch.where(sent(drawn, images.device), 1.0, -1.0)
    move = step.view(-1, 1, 1, 1) * way
    with torch.no_grad():
        upper, lower = ((model.forward(images + end) * sides).sum(1) for end in (move, -move))
    return (upper - lower) / (2 * step) - (gradient * way).sum(dim=(1, 2, 3))


def _compared(run: _Pass, batch: Tensor, first: Tensor) -> float:
    """How far a second pass differs from the ``first``.

    Raises:
        ModelError: passes in another company differ, and by more than equal passes do.
    """
    noise = _difference(first, run(batch))
    if noise > TOLERANCE:  # one pair of draws may happen to be alike
        noise = max(noise, *(_difference(first, run(batch)) for _ in range(REPEATS)))
    alone = _difference(first, torch.cat([run(image[None]).clone() for image in batch]))
    order = _difference(first, run(batch.flip(0)).flip(0))
    # What is drawn anew in each pass differs by about as much whatever the company is.
    if max(alone, order) > max(TOLERANCE, 10 * noise):
        how = "alone and in a batch" if alone >= order else "in another order of its batch"
        raise ModelError(
            f"{BATCH}: {how} they differ by {max(alone, order):.2g} of the largest logit",
            hint="outcomes must not depend on the batch; normalise by stored statistics",
        )
    return noise


def _difference(one: Tensor, other: Tensor) -> float:
    """The largest difference of two passes, as a share of the largest logit.

    It is one where an image has finite logits in one of them alone.
    """
    sane, also = one.isfinite().all(1), other.isfinite().all(1)
    if not torch.equal(sane, also):
        return 1.0
    if not sane.any():
        return 0.0
    one, other = one[sane], other[sane]
    return float((one - other).abs().max() / one.abs().max().clamp(min=1e-30))


def _outputs(logits: Tensor, *, complete: bool) -> Outputs:
    """What outputs look like; not ``complete``: a background class was dropped from them."""
    logits = logits[logits.isfinite().all(1)].double()
    if not len(logits):
        return "logits"
    low = 1 - SUM_TOLERANCE if complete else 0.5
    for kind, shares in (("probabilities", logits), ("log-probabilities", logits.exp())):
        sums = shares.sum(1)
        inside = shares.min() >= 0 and shares.max() <= 1 + SUM_TOLERANCE
        if inside and sums.min() >= low and sums.max() <= 1 + SUM_TOLERANCE:
            return "probabilities" if kind == "probabilities" else "log-probabilities"
    return "logits"
