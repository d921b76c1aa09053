"""Arithmetic that a row has for itself: whatever else shares its pass, and wherever it stands.

Kernels round differently by the number of rows, so each pass has `PixelClassifier.rows` of them
always. What else it takes on a CPU: one thread, for parallel kernels cut arrays by their number
and treat the ends apart; and MKL's reproducible kernels, for its others treat rows by how their
addresses are aligned. That a model keeps to it is tried before it works.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor

from harness.api import ModelError, look, looks
from harness.engine.classifier import PixelClassifier
from harness.engine.device import sent
from harness.engine.timing import random_images


def prepare() -> None:
    """Set this process up, before torch computes anything in it: MKL asks its variable once."""
    os.environ.setdefault("MKL_CBWR", "AUTO")
    torch.set_num_threads(1)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def no_memory(rows: int) -> ModelError:
    """What is wrong where there is no memory for a pass."""
    return ModelError(
        f"out of memory with {rows} images in a pass",
        hint="--exact N with fewer: the number is part of the results' identity",
    )


def check(model: PixelClassifier) -> None:
    """See that logits and gradients are the same to the bit beside other images at other places.

    Raises:
        ModelError: they are not.
    """
    if model.rows is None or model.rows == 1:
        return
    count = model.rows
    images = random_images(model, count)
    directions = torch.randn(count, model.classes, generator=torch.Generator().manual_seed(0))
    directions = sent(directions, model.device)
    order = torch.arange(count, device=model.device).roll(1)
    kept = count - count // 4
    order, others = order[:kept], torch.zeros_like(images[kept:])
    moved = torch.cat((images[order], others)).contiguous(memory_format=model.memory_format)
    turned = torch.cat((directions[order], directions[kept:]))
    before, after = _passes(model, images, directions), _passes(model, moved, turned)
    where = look(order)
    before, after = looks(*before), looks(*after)
    if not all(
        torch.equal(one[where], other[:kept]) for one, other in zip(before, after, strict=True)
    ):
        raise ModelError(
            f"with {count} images in a pass, an image's result depends on its place or its mates",
            hint="--exact 1 computes one image at a time",
        )


def _passes(model: PixelClassifier, images: Tensor, directions: Tensor) -> list[Tensor]:
    """The prediction and, where there is one, the module's logits and gradient."""
    found = [model.predict(images).clone()]
    if model.differentiable is not None:
        made = model.differentiated(images)
        found += [made.logits, made.gradient(directions)]
    return found
