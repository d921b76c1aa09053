"""Small models with known answers, made once: 48 pixels, logits that are sums of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from harness.api import Goal
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job
from harness.testing.fakes import linear_model, pixel_model

SIZE = (4, 4)
PIXELS = 3 * SIZE[0] * SIZE[1]
CLASSES = 4


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@cache
def images() -> Tensor:
    """Six images, (6, 3, 4, 4), away from black and white; nobody may write into them."""
    return 0.3 + 0.4 * torch.rand((6, 3, *SIZE), generator=generator())


@cache
def linear() -> PixelClassifier:
    """Four classes."""
    return new_linear()


def new_linear() -> PixelClassifier:
    """The same, for a test that moves it elsewhere."""
    weights = torch.randn((CLASSES, PIXELS), generator=generator(1))
    return linear_model(weights, torch.zeros(CLASSES), size=SIZE)


@cache
def constant() -> PixelClassifier:
    """The first of four classes, whatever the image: all gradients are zero."""
    bias = torch.tensor([1.0, 0.5, 0.0, -0.5])
    return linear_model(torch.zeros((CLASSES, PIXELS)), bias, size=SIZE)


class _NaN(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)[:, :CLASSES] * torch.nan


@cache
def nan() -> PixelClassifier:
    """NaN for all of four classes, and so are its gradients."""
    return pixel_model(_NaN(), classes=CLASSES, size=SIZE)


def jobs(
    model: PixelClassifier, goal: Goal, *, seed: int = 0, rows: Tensor | None = None
) -> list[Job]:
    """The images (or ``rows``) with what the model predicts as labels, for one goal.

    Logits that say nothing make the first class the label, and the others targets.
    """
    pixels = images() if rows is None else rows
    logits = model.predict(pixels)
    order = logits.argsort(dim=1, descending=True, stable=True)
    if not logits.isfinite().all():
        order = torch.arange(model.classes).expand(len(pixels), -1)
    found = []
    for row, places in enumerate(order.tolist()):
        target = _target(goal, row, places)
        found.append(Job("cell", str(row), pixels[row], places[0], target, seed=100 * seed + row))
    return found


def _target(goal: Goal, row: int, order: Sequence[int]) -> int | None:
    if not goal.targeted:
        return None
    return order[1 + row % (len(order) - 1) if goal.rank is None else goal.rank]
