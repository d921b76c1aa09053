"""The stepper behind C&W: Adam in tanh space, one row per image."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import Point, Slots
from harness_attacks.layout import Schedule
from harness_attacks.penalty.binary_search import BinarySearchStepper
from harness_attacks.penalty.parameters import MinimumNorm

BETA_1, BETA_2 = 0.9, 0.999
EPSILON = 1e-8
"""Adam's."""
INSIDE = 0.999999
"""Keeps pixels of exactly 0 and 1 at finite w."""


class CWStepper(BinarySearchStepper):
    """One evaluation an iteration: success is read from the forward that gives the gradient.

    With u = 2w, x = (tanh(w) + 1) / 2 is sigmoid(u), and dx/dw = 2x(1 - x). Adam's moments are kept
    with their bias corrected: as running means whose weight (1 - b) / (1 - b^k) is 1 at a
    row's first iteration, they need no pass over memory for the correction.

    Args:
        rate: Adam's step size.
        warm_start: whether the perturbation is kept between binary-search steps.
        epsilon_inside: whether Adam's epsilon is added inside the root.
    """

    def __init__(
        self,
        slots: Slots,
        search: MinimumNorm,
        *,
        rate: float,
        warm_start: bool,
        epsilon_inside: bool,
    ) -> None:
        super().__init__(slots, search)
        self._rate, self._warm, self._inside = rate, warm_start, epsilon_inside
        self._u, self._first, self._second = (self._matrix() for _ in range(3))
        self._point, self._buffer = self._matrix(), self._matrix()
        numbers = range(1, search.iterations + 1)
        columns = [
            [(1 - BETA_1) / (1 - BETA_1**k) for k in numbers],
            [(1 - BETA_2) / (1 - BETA_2**k) for k in numbers],
            [EPSILON / (1 - BETA_2**k) for k in numbers],
        ]
        self._schedule = Schedule(columns, slots.device)

    def next_finish(self) -> int | None:
        if self._interval is not None:
            return None
        left = self._longest - self._round
        left = left[left > 0]
        return int(left.min()) if left.size else 0

    def point(self) -> Point:
        return Point(self._layout.images(self._point))

    def observe(self, logits: Tensor) -> Tensor:
        margin = self._margin(logits)
        torch.sub(self._point, self._original, out=self._buffer)
        distance = torch.linalg.vector_norm(self._buffer, dim=1)
        if self._checking():
            self.loss = self._weight * margin.loss(self._kappa) + distance.square()
            self._check()
        self._record(self._point, distance, margin.success(self._kappa))
        # The 2 of dx/dw; `step` has it in the distance's gradient too.
        return margin.cotangent(self._kappa, 2 * self._weight)

    def step(self, gradient: Tensor) -> None:
        rows, buffer = self._layout.rows(gradient), self._buffer
        first_weight, second_weight, epsilon = self._schedule.at(self._iteration)
        rows.add_(buffer, alpha=4)
        torch.addcmul(self._point, self._point, self._point, value=-1, out=buffer)
        rows.mul_(buffer)
        self._first.lerp_(rows, first_weight)
        self._second.lerp_(rows.square_(), second_weight)
        if self._inside:
            torch.add(self._second, epsilon, out=buffer).sqrt_()
        else:
            torch.sqrt(self._second, out=buffer).add_(EPSILON)
        self._u.addcdiv_(self._first, buffer, value=-2 * self._rate)
        torch.sigmoid(self._u, out=self._point)
        self._advance()
        self._settle()

    def _start(self, rows: Tensor) -> None:
        points = self._original[rows]
        for row in points:  # each alone: kernels treat the last values of an array apart
            row.mul_(2).sub_(1).mul_(INSIDE).atanh_().mul_(2)
        self._u[rows] = points
        for row in points:
            row.sigmoid_()
        self._point[rows] = points
        self._first[rows] = 0
        self._second[rows] = 0

    def _restart(self, rows: Tensor) -> None:
        if not self._warm:
            self._start(rows)

    def _last_rows(self, rows: Tensor) -> Tensor:
        return self._point[rows]
