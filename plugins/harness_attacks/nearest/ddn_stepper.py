"""The stepper behind DDN: a sphere of its own for each image."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import Norm, Slots
from harness_attacks.layout import Schedule
from harness_attacks.losses import cross_entropy
from harness_attacks.margin import Margin
from harness_attacks.nearest.stepper import TINY, NearestStepper, cosine, normalised


class DDNStepper(NearestStepper):
    """One evaluation an iteration: Algorithm 1 of Rony et al. 2019, each row on its own.

    The loss is the cross-entropy; of its gradient only the direction counts.

    Args:
        final_step: the last step size over ``step_size``.
        levels: to how many values each iterate is rounded, if any.
    """

    def __init__(
        self,
        slots: Slots,
        *,
        steps: int,
        initial_epsilon: float,
        gamma: float,
        step_size: float,
        final_step: float,
        levels: int | None,
    ) -> None:
        super().__init__(slots, Norm.L2, steps)
        self._first_epsilon, self._gamma, self._levels = initial_epsilon, gamma, levels
        self._epsilon, self._largest = (self._vector(torch.float32) for _ in range(2))
        sizes = cosine(step_size, step_size * final_step, steps)
        self._schedule = Schedule([sizes], slots.device)

    def step(self, gradient: Tensor) -> None:
        (size,) = self._schedule.at(self._iteration)
        self._delta.addcmul_(normalised(self._layout.rows(gradient), 2.0), size)
        share = torch.where(self._success, 1 - self._gamma, 1 + self._gamma)
        self._epsilon = torch.minimum(self._epsilon * share, self._largest)
        length = torch.linalg.vector_norm(self._delta, 2, dim=1).clamp_(min=TINY)
        self._move_to(self._delta.mul_((self._epsilon / length)[:, None]))
        if self._levels is not None:
            steps = self._levels - 1
            self._point.mul_(steps).round_().div_(steps)

    def _start(self, rows: Tensor) -> None:
        original = self._original[rows]
        furthest = torch.maximum(original, 1 - original)
        self._largest[rows] = torch.linalg.vector_norm(furthest, 2, dim=1)
        self._epsilon[rows] = self._first_epsilon

    def _cotangent(self, logits: Tensor, margin: Margin) -> Tensor:
        return cross_entropy(logits, self._classes, self._targeted)
