"""The stepper behind FMN: a ball of its own for each image, in one of four norms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.api import Norm, Slots
from harness_attacks.layout import Schedule
from harness_attacks.margin import Margin
from harness_attacks.nearest.balls import BALLS
from harness_attacks.nearest.stepper import TINY, NearestStepper, cosine


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """How points and balls move; see the fields of FMN's parameters.

    Attributes:
        sign: whether steps follow the gradient's sign instead of the gradient.
        relative: whether step sizes are shares of epsilon.
        step_sizes: the first and the last one.
        gammas: the first and the last share by which epsilon moves.
        softness: of the margin of untargeted rows, see `Margin.soft_ascent`.
        leap: by which share epsilon falls at first at most.
        growth: whether epsilon grows by gamma at least until the first success.
    """

    sign: bool
    relative: bool
    step_sizes: tuple[float, float]
    gammas: tuple[float, float]
    momentum: float
    softness: float
    leap: float
    growth: bool


class FMNStepper(NearestStepper):
    """One evaluation an iteration: Algorithm 1 of Pintor et al. 2021, each row on its own."""

    def __init__(self, slots: Slots, norm: Norm, steps: int, moves: Moves) -> None:
        super().__init__(slots, norm, steps)
        self._moves, self._momentum, self._counted = moves, moves.momentum, norm == Norm.L0
        self._ball = BALLS[norm]
        self._past = self._matrix() if moves.momentum else None
        self._epsilon, self._largest = (self._vector(torch.float32) for _ in range(2))
        self._gap = self._vector(torch.float32)
        columns = [
            cosine(*moves.step_sizes, steps),
            cosine(*moves.gammas, steps),
            cosine(moves.leap, 0.0, steps),
        ]
        self._schedule = Schedule(columns, slots.device)

    def step(self, gradient: Tensor) -> None:
        rows = self._layout.rows(gradient)
        size, *shares = self._schedule.at(self._iteration)
        gamma, leap = (share.squeeze(1) for share in shares)
        slope = self._ball.dual(rows).clamp_(min=TINY)
        if self._counted:
            self._count_on(gamma)
        else:
            self._follow(gamma, leap, self._gap / slope)
        torch.minimum(self._epsilon, self._largest, out=self._epsilon)
        if self._moves.relative:
            size = size * self._epsilon[:, None]
        if self._past is not None:
            weight = slope if self._moves.sign else _length(rows)
            self._past.mul_(self._momentum).addcmul_(rows, weight.reciprocal()[:, None])
            rows.copy_(self._past)
        if self._moves.sign:
            rows.sign_()
        else:
            size = size / _length(rows)[:, None]
        self._delta.addcmul_(rows, size)
        self._move_to(self._ball.project(self._delta, self._epsilon))

    def _start(self, rows: Tensor) -> None:
        original = self._original[rows]
        furthest = torch.maximum(original, 1 - original)
        self._largest[rows] = torch.linalg.vector_norm(furthest, self._order, dim=1)
        self._epsilon[rows] = float(self._counted)
        if self._past is not None:
            self._past[rows] = 0

    def _cotangent(self, logits: Tensor, margin: Margin) -> Tensor:
        self._gap = margin.value.abs()
        return margin.soft_ascent(self._moves.softness) if self._moves.softness else margin.ascent()

    def _follow(self, gamma: Tensor, leap: Tensor, gap: Tensor) -> None:
        """Move epsilon by ``gamma``, or ``gap`` further to where the linearised boundary is."""
        epsilon, grown = self._epsilon, self._epsilon * (1 + gamma)
        ahead = self._distance + gap
        if self._moves.growth:
            ahead = torch.maximum(ahead, grown)
        outside = torch.where(self.best.isinf(), ahead, grown)
        back = torch.maximum(self._distance - gap, epsilon * (1 - leap))
        inside = torch.minimum(torch.minimum(epsilon * (1 - gamma), back), self.best)
        self._epsilon = torch.where(self._success, inside, outside)

    def _count_on(self, gamma: Tensor) -> None:
        """Move a number of values by ``gamma``, and by one at least."""
        epsilon = self._epsilon
        fewer = torch.minimum(epsilon - 1, (epsilon * (1 - gamma)).floor_())
        more = torch.maximum(epsilon + 1, (epsilon * (1 + gamma)).floor_())
        inside = torch.minimum(fewer, self.best).clamp_(min=0)
        self._epsilon = torch.where(self._success, inside, more)


def _length(rows: Tensor) -> Tensor:
    """Their l2 norms, (n,), never 0."""
    norms: Tensor = torch.linalg.vector_norm(rows, 2, dim=1)
    return norms.clamp_(min=TINY)
