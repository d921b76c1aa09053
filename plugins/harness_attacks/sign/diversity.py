"""Diverse inputs: images shrunk and placed on black at random (Xie et al. 2019, DI-FGSM)."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import Slots
from harness_attacks.drawn import places, uniform

NUMBERS = 4
"""Drawn for each step: whether the image changes, its height, and where its corner is."""


class Diversity:
    """The transform and its adjoint, as a matrix for the rows of an image and one for its columns.

    The paper enlarges images of 299 to 330 pixels, nearest neighbours (section 3.2, and the
    authors' code); networks that take one size see smaller images on black instead.

    Args:
        probability: that an image changes in a step.
        smallest: what share of the height is the least that it keeps, rounded down. The largest is
            one pixel less than all.
    """

    def __init__(self, slots: Slots, *, probability: float, smallest: float) -> None:
        _, self._height, self._width = slots.shape
        self._probability = probability
        self._least = max(1, int(smallest * self._height))
        self._most = max(self._least, self._height - 1)

    def draws(self, noise: Tensor) -> Tensor:
        """int16 (n, steps, NUMBERS), from as many standard normal numbers."""
        changes = (uniform(noise[..., 0]) < self._probability).to(torch.int16)
        spread = torch.full_like(noise[..., 1], self._most - self._least, dtype=torch.int64)
        height = places(noise[..., 1], spread) + self._least
        top = places(noise[..., 2], self._height - height.long())
        left = places(noise[..., 3], self._width - self._across(height.long()))
        return torch.stack((changes, height, top, left), -1)

    def matrices(self, numbers: Tensor, still: Tensor) -> tuple[Tensor, Tensor]:
        """For rows (n, height, height) and columns (n, width, width); identities where ``still``.

        Args:
            numbers: (n, NUMBERS), int64, of a step.
            still: bool (n,).
        """
        changes, height, top, left = numbers.unbind(1)
        changes = (changes > 0) & ~still
        rows = _nearest(self._height, height, top, changes)
        return rows, _nearest(self._width, self._across(height), left, changes)

    def _across(self, height: Tensor) -> Tensor:
        return (height * self._width // self._height).clamp(min=1)


def transformed(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The images that the network sees."""
    return rows[:, None] @ images @ columns[:, None].mT


def pulled_back(gradient: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The gradient at the images, from the one at what the network sees."""
    return rows[:, None].mT @ gradient @ columns[:, None]


def _nearest(extent: int, size: Tensor, start: Tensor, changes: Tensor) -> Tensor:
    """(n, extent, extent): what is at each of ``size`` places from ``start`` on, else nothing."""
    every = torch.arange(extent, device=size.device)
    place = every - start[:, None]
    inside = (place >= 0) & (place < size[:, None])
    source = torch.where(inside, place * extent // size[:, None], -1)
    source = torch.where(changes[:, None], source, every)
    return (source[:, :, None] == every).to(torch.float32)
