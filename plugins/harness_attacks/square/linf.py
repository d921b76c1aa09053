"""Square's queries in linf (Andriushchenko et al. 2020, Algorithm 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from harness.api import Slots
from harness_attacks.drawn import signs
from harness_attacks.square.stepper import Proposals, Windows


class LinfProposals(Proposals):
    """A square gets one colour of the ball's face, a sign for each channel.

    The paper adds 2 * epsilon times the signs and projects back. From a point of the ball that is
    the original plus epsilon times the signs, inside [0, 1].
    """

    def __init__(self, slots: Slots, *, areas: Sequence[float], epsilon: float) -> None:
        self._channels, self._height, self._width = slots.shape
        self._epsilon = epsilon
        self.start_numbers = self._channels * self._width
        self.query_numbers = 2 + self._channels
        self._windows = Windows(slots, [self._side(area) for area in areas])

    def _side(self, area: float) -> int:
        side = round(math.sqrt(area * self._height * self._width))
        return min(max(side, 1), self._height, self._width)

    def starts(self, noise: Tensor) -> Tensor:
        return signs(noise)

    def draws(self, noise: Tensor) -> Tensor:
        return torch.cat((self._windows.draws(noise[..., :2]), signs(noise[..., 2:])), -1)

    def start(self, original: Tensor, numbers: Tensor) -> Tensor:
        """Vertical stripes, one pixel wide."""
        stripes = numbers.view(-1, self._channels, 1, self._width)
        return (original + self._epsilon * stripes).clamp_(0, 1)

    def propose(
        self, original: Tensor, best: Tensor, numbers: Tensor, query: Tensor, out: Tensor
    ) -> None:
        square = self._windows.masks(numbers[:, 0], numbers[:, 1])
        torch.add(original, numbers[:, 2:, None, None] * self._epsilon, out=out).clamp_(0, 1)
        torch.where(square, out, best, out=out)
