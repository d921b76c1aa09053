"""The stepper behind PGD: steps of one size."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import Slots
from harness_attacks.ascent.ball import Ball
from harness_attacks.ascent.parameters import Ascent
from harness_attacks.ascent.stepper import AscentStepper


class PGDStepper(AscentStepper):
    """Madry et al. 2018, section 2.1.

    Args:
        size: of a step, in the ball's norm.
    """

    def __init__(
        self, slots: Slots, attack: Ascent, ball: Ball, *, loss: str, size: float, random: bool
    ) -> None:
        super().__init__(slots, attack, ball, loss=loss, random=random)
        self._size = torch.full_like(self.value, size)

    def _move(self, gradient: Tensor) -> None:
        self._ball.climb(self._at, gradient, self._size[:, None], out=self._buffer)
        self._ball.project_(self._buffer)
        self._at, self._buffer = self._buffer, self._at
