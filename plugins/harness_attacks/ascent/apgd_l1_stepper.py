"""The stepper behind APGD in l1: steps as sparse as the best point so far."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Slots
from harness_attacks.ascent import box_l1
from harness_attacks.ascent.ball import L1Ball
from harness_attacks.ascent.parameters import Ascent
from harness_attacks.ascent.stepper import AscentStepper
from harness_attacks.targets import Targets

SPARSER = 1.5
"""How much sparser steps are than the best point."""
CHECKED = 0.04
"""The share of the steps after which sparsity and size are reconsidered."""
FIRST_SPARSITY = 0.2
"""Of a run's first steps, from a random start."""
SMALLEST = 10
"""The radius over the size of the smallest steps."""


class APGDL1Stepper(AscentStepper):
    """Croce & Hein 2021, section 3.2 ("l1-APGD") and 3.3 ("multi-epsilon").

    A phase in each ball; the next one begins at the best point, moved into the smaller ball. Only
    the last ball's points count.

    Attributes:
        size: float32 (slots,), of a step, at most the ball's radius.
    """

    def __init__(
        self,
        slots: Slots,
        attack: Ascent,
        ball: L1Ball,
        *,
        loss: str,
        targets: Targets | None,
        larger_first: bool,
    ) -> None:
        super().__init__(slots, attack, ball, loss=loss, targets=targets)
        self._l1, self._epsilon = ball, attack.epsilon
        self._interval = max(1, math.ceil(CHECKED * attack.steps))
        third = math.ceil(0.3 * attack.steps)
        several = larger_first and 2 * third < attack.steps
        self._phases = {0: 3, third: 2, 2 * third: 1} if several else {0: 1}
        self._top_gradient = torch.zeros_like(self._at)
        self.size, self._changed = (torch.zeros_like(self.value) for _ in range(2))

    def _start(self, rows: Tensor, run: int) -> Tensor:
        self._l1.radius[rows] = self._phases[0] * self._epsilon
        return super()._start(rows, run)

    def _started(self, rows: Tensor) -> None:
        self._l1.sparsity[rows] = FIRST_SPARSITY
        self._changed[rows] = self._at.shape[1]
        self.size[rows] = self._phases[0] * self._epsilon

    @property
    def _fresh(self) -> NDArray[np.bool_]:
        return self.iteration == max(self._phases)

    def _broken(self, logits: Tensor) -> Tensor:
        return super()._broken(logits) & (self._l1.radius[:, 0] <= self._epsilon)

    def _found(self, rows: Tensor) -> Tensor:
        """In the smallest ball also where a row is stopped before it came there."""
        original = self._l1.original[rows]
        radius = torch.full_like(original[:, :1], self._epsilon)
        return box_l1.project(super()._found(rows), original, radius)

    def _move(self, gradient: Tensor) -> None:
        better = self.better[:, None]
        torch.where(better, gradient, self._top_gradient, out=self._top_gradient)
        starts = np.array(sorted(self._phases))
        into = self.iteration - starts[np.searchsorted(starts, self.iteration, side="right") - 1]
        check = (into > 0) & (into % self._interval == 0)
        if check.any():
            self._check(self._sent(check), gradient)
        self._l1.climb(self._at, gradient, self.size[:, None], out=self._buffer)
        self._l1.project_(self._buffer)
        self._at, self._buffer = self._buffer, self._at
        for start, times in self._phases.items():
            entering = self._active & (self.iteration + 1 == start)
            if entering.any():
                self._enter(self._sent(np.flatnonzero(entering)), times * self._epsilon)

    def _check(self, here: Tensor, gradient: Tensor) -> None:
        """Where the best point has become sparser: large steps again, from there; else smaller."""
        changed = self._l0(self.top, self._l1.original)
        sparser = here & (changed < 0.95 * self._changed)
        radius = self._l1.radius[:, 0]
        smaller = torch.maximum(self.size / SPARSER, radius / SMALLEST)
        size = torch.where(sparser, radius, smaller)
        self.size = torch.where(here, size, self.size)
        share = changed[:, None] / (SPARSER * self._at.shape[1])
        self._l1.sparsity = torch.where(here[:, None], share, self._l1.sparsity)
        self._changed = torch.where(here, changed, self._changed)
        torch.where(sparser[:, None], self.top, self._at, out=self._at)
        torch.where(sparser[:, None], self._top_gradient, gradient, out=gradient)

    def _enter(self, rows: Tensor, radius: float) -> None:
        """The phase in the ball of ``radius`` begins for ``rows``, at the best point."""
        self._l1.radius[rows] = radius
        start = self._l1.project_(self.top[rows], rows)
        self._at[rows] = start
        changed = self._l0(start, self._l1.original[rows])
        self._changed[rows], self.size[rows] = changed, radius
        self._l1.sparsity[rows] = changed[:, None] / (SPARSER * start.shape[1])
        done = self._won[rows]
        self.top[rows] = torch.where(done[:, None], self.top[rows], start)
        self.highest[rows] = torch.where(done, self.highest[rows], -torch.inf)

    @staticmethod
    def _l0(points: Tensor, original: Tensor) -> Tensor:
        return (points != original).sum(1).float()
