"""The stepper behind APGD in linf and l2: momentum, and step sizes that halve."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Slots
from harness_attacks.ascent.ball import Ball
from harness_attacks.ascent.parameters import Ascent
from harness_attacks.ascent.stepper import AscentStepper, risen
from harness_attacks.targets import Targets


class Checkpoints:
    """Croce & Hein 2020, section 3.1: after which steps the step size is reconsidered.

    They are at the shares p_0 = 0, p_1 = .22, p_j+1 = p_j + max(p_j - p_j-1 - .03, .06) of the
    steps, rounded up; here in hundredths.
    """

    def __init__(self, steps: int) -> None:
        self._windows: NDArray[np.int64] = np.zeros(steps + 1, dtype=np.int64)
        before, at, length = 0, 22, 22
        while at <= 100:
            step = -(-at * steps // 100)
            if step > before:
                self._windows[step] = step - before
            length = max(length - 3, 6)
            before, at = step, at + length

    def windows(self, iteration: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where ``iteration`` is a checkpoint, the steps since the one before; else 0."""
        found: NDArray[np.int64] = self._windows[iteration]
        return found


class APGDStepper(AscentStepper):
    """Croce & Hein 2020, algorithm 1, in their words: x is the point, z the plain step's.

    Attributes:
        size: float32 (slots,), eta.
    """

    def __init__(
        self,
        slots: Slots,
        attack: Ascent,
        ball: Ball,
        *,
        loss: str,
        targets: Targets | None,
        momentum: float,
        rho: float,
    ) -> None:
        super().__init__(slots, attack, ball, loss=loss, targets=targets)
        self._momentum, self._rho = momentum, rho
        self._epsilon, self._checkpoints = attack.epsilon, Checkpoints(attack.steps)
        self._previous, self._top_gradient = (torch.zeros_like(self._at) for _ in range(2))
        self.size, self._last, self._rises, self._checked = (
            torch.zeros_like(self.value) for _ in range(4)
        )
        self._halved = torch.zeros_like(self.better)

    def _started(self, rows: Tensor) -> None:
        self.size[rows] = 2 * self._epsilon
        self._previous[rows] = self._at[rows]
        self._last[rows], self._rises[rows], self._checked[rows] = torch.inf, 0, -torch.inf
        self._halved[rows] = False

    def _move(self, gradient: Tensor) -> None:
        better = self.better[:, None]
        torch.where(better, gradient, self._top_gradient, out=self._top_gradient)
        self._rises += risen(self.value, self._last)
        self._last = self.value
        windows = self._checkpoints.windows(self.iteration)
        if windows.any():
            self._check(self._sent(windows), gradient)
        z = self._ball.climb(self._at, gradient, self.size[:, None], out=self._buffer)
        self._ball.project_(z)
        # x + a * (z - x) + (1 - a) * (x - previous); the first step of a run is z itself.
        torch.sub(self._previous, self._at, alpha=2, out=self._previous)
        first = self.iteration == 0
        if first.any():
            shares = np.where(first, 1, self._momentum).astype(np.float32)
            new = self._sent(shares)[:, None]
            z.mul_(new).addcmul_(self._previous, new - 1)
        else:
            z.mul_(self._momentum).sub_(self._previous, alpha=1 - self._momentum)
        self._ball.project_(z)
        self._previous, self._at, self._buffer = self._at, z, self._previous

    def _check(self, windows: Tensor, gradient: Tensor) -> None:
        """Where the loss stopped rising the step halves, and the next one starts at the top."""
        here = windows > 0
        few = self._rises < self._rho * windows
        still = ~self._halved & (self.highest <= self._checked)
        halve = here & (few | still)
        self.size = torch.where(halve, self.size / 2, self.size)
        self._halved = torch.where(here, halve, self._halved)
        self._checked = torch.where(here, self.highest, self._checked)
        self._rises = torch.where(here, 0, self._rises)
        torch.where(halve[:, None], self.top, self._at, out=self._at)
        torch.where(halve[:, None], self._top_gradient, gradient, out=gradient)
