"""A model is tried before it is believed: a few passes of the same images, which must agree."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harness.api import ModelError, look
from harness.api.trial import TOLERANCE, ModelTrial, Outputs
from harness.engine.classifier import PixelClassifier
from harness.engine.device import sent
from harness.engine.halving import BatchSize
from harness.engine.timing import random_images

IMAGES = 4
"""How many images the trial uses: the run's first ones, filled up with noise."""

SUM_TOLERANCE = 1e-3
"""How far a sum of probabilities may be from one."""

_Pass = Callable[[Tensor], Tensor]


def tried(model: PixelClassifier, images: Tensor, on_halving: Callable[[int], None]) -> ModelTrial:
    """Try ``model`` on ``images``, float32 (n, 3, height, width) on the host: `IMAGES` at most.

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
    first = look(model.predict(batch)).clone()
    difference = _compared(lambda images: look(model.predict(images)), batch, first)
    if model.has_own_forward and model.differentiable is not None:
        with torch.no_grad():
            own = look(model.forward(batch)).clone()
            again = _compared(lambda images: look(model.forward(images)), batch, own)
            difference = max(difference, again)
    return ModelTrial(len(batch), difference, _outputs(first, complete=model.background is None))


def _compared(run: _Pass, batch: Tensor, first: Tensor) -> float:
    """How far a second pass differs from the ``first``.

    Raises:
        ModelError: passes in another company differ, and by more than equal passes do.
    """
    noise = _difference(first, run(batch))
    alone = _difference(first, torch.cat([run(image[None]).clone() for image in batch]))
    order = _difference(first, run(batch.flip(0)).flip(0))
    # What is drawn anew in each pass differs by about as much whatever the company is.
    if max(alone, order) > max(TOLERANCE, 10 * noise):
        how = "alone and in a batch" if alone >= order else "in another order of its batch"
        raise ModelError(
            f"an image's logits depend on the other images of its batch: {how} they differ by"
            f" {max(alone, order):.2g} of the largest logit",
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
