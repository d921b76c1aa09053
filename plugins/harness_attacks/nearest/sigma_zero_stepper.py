"""The stepper behind sigma-zero: Adam on a smooth count, and a threshold for each image."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import Norm, Slots
from harness_attacks.layout import Schedule
from harness_attacks.margin import Margin
from harness_attacks.nearest.stepper import NearestStepper, cosine, normalised

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
"""Adam's."""


class SigmaZeroStepper(NearestStepper):
    """One evaluation an iteration: Algorithm 1 of Cina et al. 2025, each row on its own.

    Adam's moments are kept with their bias corrected: as running means whose weight is 1 at first.

    Args:
        final_step: the last step size over ``step_size``.
        threshold: the first tau.
        threshold_step: by which share of the step size tau moves.
    """

    def __init__(
        self,
        slots: Slots,
        *,
        steps: int,
        step_size: float,
        final_step: float,
        sigma: float,
        threshold: float,
        threshold_step: float,
    ) -> None:
        super().__init__(slots, Norm.L0, steps)
        self._sigma, self._first_threshold = sigma, threshold
        self._first, self._second, self._buffer = (self._matrix() for _ in range(3))
        self._threshold = self._vector(torch.float32)
        sizes = cosine(step_size, step_size * final_step, steps)
        numbers = [max(k, 1) for k in range(steps + 1)]
        columns = [
            [sizes[k - 1] for k in numbers],  # tau moves by the next step's size
            [threshold_step * size for size in sizes],
            [(1 - BETA_1) / (1 - BETA_1**k) for k in numbers],
            [(1 - BETA_2) / (1 - BETA_2**k) for k in numbers],
        ]
        self._schedule = Schedule(columns, slots.device)

    def step(self, gradient: Tensor) -> None:
        size, shift, first_weight, second_weight = self._schedule.at(self._iteration)
        rows, buffer = normalised(self._descent(gradient), torch.inf), self._buffer
        self._first.lerp_(rows, first_weight)
        self._second.lerp_(rows.square_(), second_weight)
        torch.sqrt(self._second, out=buffer).add_(EPSILON)
        torch.div(self._first, buffer, out=buffer).mul_(size)
        self._move_to(self._delta.sub_(buffer))
        shift = shift.squeeze(1)
        moved = self._threshold + torch.where(self._success, shift, -shift)
        self._threshold = moved.clamp_(0, 1)
        torch.sub(self._point, self._original, out=self._delta)
        small = torch.abs(self._delta, out=buffer) < self._threshold[:, None]
        torch.where(small, self._original, self._point, out=self._point)

    def _start(self, rows: Tensor) -> None:
        self._first[rows] = 0
        self._second[rows] = 0
        self._threshold[rows] = self._first_threshold

    def _cotangent(self, logits: Tensor, margin: Margin) -> Tensor:
        return margin.cotangent(0.0, torch.ones_like(self.best))

    def _descent(self, gradient: Tensor) -> Tensor:
        """The gradient with that of the count: the mean of 2 d sigma / (d^2 + sigma)^2."""
        rows, buffer = self._layout.rows(gradient), self._buffer
        torch.mul(self._delta, self._delta, out=buffer).add_(self._sigma).square_()
        torch.div(self._delta, buffer, out=buffer)
        return rows.add_(buffer, alpha=2 * self._sigma / self._values)
