"""Square's queries in l2 (Andriushchenko et al. 2020, Algorithm 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from harness.api import Slots
from harness_attacks.drawn import signs
from harness_attacks.square.stepper import Proposals, Windows

TILES = 5
"""The start is a grid of as many squares in height and width."""
TINY = 1e-30
"""Keeps quotients by the norm of nothing finite."""

CANCELLED = 1e-3
"""Where old and new square add up to less they are each other's opposite, as whole-image squares
can be: the new one stands alone, for what is left is rounding and has no direction."""


class L2Proposals(Proposals):
    """A square's change goes to another one, where a fading square of new signs is added to it."""

    def __init__(self, slots: Slots, *, areas: Sequence[float], epsilon: float) -> None:
        self._channels, self._height, self._width = slots.shape
        self._epsilon = epsilon
        self._shortest = min(self._height, self._width)
        self._tile = max(1, self._shortest // TILES)
        self._down, self._across = (
            min(TILES, extent // self._tile) for extent in (self._height, self._width)
        )
        self.start_numbers = self._down * self._across * (1 + self._channels)
        self.query_numbers = 5 + self._channels
        each = [self._side(area) for area in areas]
        kinds = sorted(set(each))
        patterns = torch.zeros((len(kinds), kinds[-1], kinds[-1]))
        for pattern, side in zip(patterns, kinds, strict=True):
            pattern[:side, :side] = eta(side)
        self._largest = kinds[-1]

        def sent(values: Tensor) -> Tensor:
            return values.to(slots.device, non_blocking=True)

        self._windows = Windows(slots, each)
        self._patterns, self._first = sent(patterns), sent(eta(self._tile).float())

    def _side(self, area: float) -> int:
        """Odd, at least 3 (the authors' code), where the image has room."""
        side = max(3, round(math.sqrt(area * self._height * self._width)))
        return min(side + (side % 2 == 0), self._shortest)

    def starts(self, noise: Tensor) -> Tensor:
        return signs(noise)

    def draws(self, noise: Tensor) -> Tensor:
        squares = [self._windows.draws(noise[..., at : at + 2]) for at in (0, 2)]
        return torch.cat((*squares, signs(noise[..., 4:])), -1)

    def start(self, original: Tensor, numbers: Tensor) -> Tensor:
        """A grid of fading squares, each lying or standing, with a sign for each channel."""
        grid = (-1, 1 + self._channels, self._down, self._across, 1, 1)
        drawn = numbers.view(grid).to(original.dtype)
        tiles = torch.where(drawn[:, :1] > 0, self._first, self._first.T) * drawn[:, 1:]
        height, width = self._down * self._tile, self._across * self._tile
        top, left = (self._height - height) // 2, (self._width - width) // 2
        change = torch.zeros_like(original)
        change[:, :, top : top + height, left : left + width] = tiles.transpose(3, 4).reshape(
            -1, self._channels, height, width
        )
        return change.mul_(self._epsilon / _norm(change)).add_(original).clamp_(0, 1)

    def propose(
        self, original: Tensor, best: Tensor, numbers: Tensor, query: Tensor, out: Tensor
    ) -> None:
        new = self._windows.masks(numbers[:, 0], numbers[:, 1])
        both = new | self._windows.masks(numbers[:, 2], numbers[:, 3])
        change = torch.sub(best, original, out=out)
        unused = (self._epsilon**2 - _norm(change).square()).clamp_(min=0)
        available = _norm(change * both, (2, 3)).square().add_(unused / self._channels).sqrt_()
        square = change * new
        square /= _norm(square, (2, 3))
        added = self._placed(numbers, query, new) * numbers[:, 5:, None, None]
        square += added
        size = _norm(square, (2, 3))
        square = torch.where(size > CANCELLED, square / size, added)
        square *= available
        change.mul_(~both).add_(square)
        change.mul_(self._epsilon / _norm(change)).add_(original).clamp_(0, 1)

    def _placed(self, numbers: Tensor, query: Tensor, new: Tensor) -> Tensor:
        """The fading squares, lying or standing, where ``new`` has them: (n, 1, height, width)."""
        rows = torch.arange(self._height, device=new.device) - numbers[:, 0, None] % self._height
        columns = torch.arange(self._width, device=new.device) - numbers[:, 1, None] % self._width
        lying, largest = numbers[:, 4, None] > 0, self._largest
        index = torch.where(lying, rows * largest, rows)[:, :, None]
        index = index + torch.where(lying, columns, columns * largest)[:, None, :]
        index += (self._windows.kinds[query] * largest**2)[:, None, None]
        index = torch.where(new[:, 0], index, 0)
        return torch.take(self._patterns, index)[:, None] * new


def eta(side: int) -> Tensor:
    """The fading square, (side, side), of l2 norm 1: two halves of opposite sign, section 3.3."""
    upper = side // 2
    whole = torch.cat((_rectangle(upper, side), -_rectangle(side - upper, side)))
    return whole / whole.square().sum().sqrt()


def _rectangle(height: int, width: int) -> Tensor:
    """Growing rectangles 1 / (k + 1)^2 high around the centre, one on the other; l2 norm 1."""
    rows = (torch.arange(height, dtype=torch.float64) - height // 2).abs()
    columns = (torch.arange(width, dtype=torch.float64) - width // 2).abs()
    ring = torch.maximum(rows[:, None], columns[None, :]).long()
    heights = [1 / (k + 1) ** 2 for k in range(max(height, width) // 2 + 1)]
    sums = [math.fsum(heights[k:]) for k in range(len(heights))]
    found = torch.tensor(sums, dtype=torch.float64)[ring]
    return found / found.square().sum().sqrt().clamp_(min=TINY)


def _norm(change: Tensor, dim: tuple[int, ...] = (1, 2, 3)) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(change, dim=dim, keepdim=True)
    return norm.clamp_(min=TINY)
