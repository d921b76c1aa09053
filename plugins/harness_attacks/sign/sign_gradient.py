"""The stepper behind FGSM and I-FGSM, at a fixed epsilon or searching each image's smallest one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Batch, Candidates, Point, Slots, Stepper, look, succeeded
from harness_attacks.losses import LOSSES
from harness_attacks.sign.diversity import NUMBERS, Diversity, pulled_back, transformed

Rows = Tensor | slice
TINY = 1e-30
"""Divides gradients of zero."""


class SignGradientStepper(Stepper):
    """Attempts of T signed steps each; a search moves epsilon between attempts.

    The search is the survey's released one: after a success epsilon goes half-way to the last
    failure (to its half while there is none), after a failure half-way to the last success (to its
    double); the last success is the smallest and is kept. Success is read from a forward pass at an
    attempt's last iterate. All attempts start at the clean image, so its gradient is taken once.
    Momentum starts anew with each attempt; diverse inputs are the same in all of them.

    Each row's progress does not depend on data, so the host keeps the counters and knows the rounds
    without asking the device.

    Args:
        epsilon: of the first attempt.
        search: how many attempts a search makes; None: one attempt, and no search.
    """

    def __init__(
        self,
        slots: Slots,
        *,
        steps: int,
        relative_step: float | None,
        epsilon: float,
        search: int | None,
        loss: str,
        momentum: float,
        diversity: Diversity | None,
    ) -> None:
        def images() -> Tensor:
            shape, form = (slots.count, *slots.shape), slots.memory_format
            return torch.zeros(shape, device=slots.device).contiguous(memory_format=form)

        def numbers(dtype: torch.dtype) -> Tensor:
            return torch.zeros(slots.count, dtype=dtype, device=slots.device)

        self._steps, self._attempts, self._search = steps, search or 1, search is not None
        self._relative_step = relative_step
        self._first_epsilon, self._loss = epsilon, LOSSES[loss]
        self._original, self._point = images(), images()
        self._clean, self._best = (images(), images()) if self._search else (None, None)
        self._momentum, self._velocity = momentum, images() if momentum else None
        self._diversity = diversity
        self._matrices: tuple[Tensor, Tensor] | None = None
        drawn = (slots.count, steps if diversity else 0, NUMBERS)
        self._draws = torch.zeros(drawn, dtype=torch.int16, device=slots.device)
        self._classes, self._targeted = numbers(torch.int64), numbers(torch.bool)
        self._epsilon, self._succeeded, self._failed = (numbers(torch.float64) for _ in range(3))
        self.finished = ~numbers(torch.bool)
        self._step: NDArray[np.int64] = np.zeros(slots.count, dtype=np.int64)
        self._attempt: NDArray[np.int64] = np.full(slots.count, self._attempts)

    def load(self, rows: Tensor, batch: Batch) -> None:
        self._original[rows] = batch.images
        self._point[rows] = batch.images
        self._classes[rows] = batch.classes
        self._targeted[rows] = batch.targeted
        self._epsilon[rows] = self._first_epsilon
        self._succeeded[rows] = torch.nan
        self._failed[rows] = torch.nan
        self.finished[rows] = False
        if self._velocity is not None:
            self._velocity[rows] = 0
        if self._diversity is not None:
            noise = batch.noise(0, (self._steps, NUMBERS))
            self._draws[rows] = self._diversity.draws(noise)
        index = look(rows).numpy()
        self._step[index] = 0
        self._attempt[index] = 0

    def next_finish(self) -> int:
        active = self._attempt < self._attempts
        later = (self._attempts - self._attempt[active] - 1) * self._steps
        rounds = self._steps - self._step[active] + later + int(self._search)
        return int(rounds.min()) if rounds.size else 0

    def point(self) -> Point:
        asking = self._asking()
        if not asking.any():
            return Point(self._point, gradient=False)
        mask = None if asking.all() else self._sent(asking)
        return Point(self._diverse(asking), asking=mask)

    def _diverse(self, asking: NDArray[np.bool_]) -> Tensor:
        """The point as the network is to see it; the rows that are to be judged as they are."""
        if self._diversity is None:
            return self._point
        step = self._sent(self._step.clip(max=self._steps - 1))[:, None, None]
        numbers = self._draws.gather(1, step.expand(-1, 1, NUMBERS)).squeeze(1).long()
        self._matrices = self._diversity.matrices(numbers, self._sent(~asking))
        return transformed(self._point, *self._matrices)

    def observe(self, logits: Tensor) -> Tensor:
        cotangent = self._loss(logits, self._classes, self._targeted)
        self._moving = self._asking()
        judging = (self._step == self._steps) & (self._attempt < self._attempts)
        if judging.any():
            self._judge(judging, logits)
        if not self._moving.any():
            self._begin(judging)
        # Otherwise `step` begins them: until the backward pass is done the point must stay.
        return cotangent

    def step(self, gradient: Tensor) -> None:
        moving = self._moving
        judged = (self._step == self._steps) & (self._attempt < self._attempts)
        rows = self._rows(moving)
        if self._matrices is not None:
            gradient = pulled_back(gradient, *self._matrices)
        direction = gradient.sign_() if self._velocity is None else self._accumulated(gradient)
        if self._clean is not None and (self._step[moving] == 0).all():
            self._clean[rows] = direction[rows]
        elif self._clean is not None and (self._step[moving] == 0).any():
            fresh = self._rows(moving & (self._step == 0))
            self._clean[fresh] = direction[fresh]
        self._advance(moving, rows, self._point[rows], self._signs(direction[rows]))
        self._begin(judged)

    def _signs(self, direction: Tensor) -> Tensor:
        """Without momentum it is signs already."""
        return direction if self._velocity is None else direction.sign()

    def _accumulated(self, gradient: Tensor) -> Tensor:
        """The sum of the attempt's gradients, of l1 norm 1 each, that fades by the momentum."""
        assert self._velocity is not None
        size = torch.linalg.vector_norm(gradient, 1, dim=(1, 2, 3), keepdim=True)
        return self._velocity.mul_(self._momentum).addcdiv_(gradient, size.clamp_(min=TINY))

    def result(self, rows: Tensor) -> Candidates:
        if self._best is None:
            return Candidates(self._point[rows])
        first = (self._succeeded[rows].isnan() & self._failed[rows].isnan())[:, None, None, None]
        images = torch.where(first, self._point[rows], self._best[rows])
        return Candidates(images, {"epsilon": self._succeeded[rows]})

    def _asking(self) -> NDArray[np.bool_]:
        """The active rows that are not at an attempt's last iterate."""
        asking: NDArray[np.bool_] = (self._step < self._steps) & (self._attempt < self._attempts)
        return asking

    def _rows(self, mask: NDArray[np.bool_]) -> Rows:
        """A slice (views, not copies) where the rows advance in lockstep, as they mostly do."""
        if mask.all():
            return slice(None)
        return self._sent(np.flatnonzero(mask))

    def _sent(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self._point.device, non_blocking=True)

    def _advance(self, moving: NDArray[np.bool_], rows: Rows, start: Tensor, sign: Tensor) -> None:
        """One signed step from ``start``; the last one ends inside the ball to the last bit."""
        share, epsilon = self._relative_step, self._epsilon[rows]
        size = epsilon / self._steps if share is None else epsilon * share
        size = size.float()[:, None, None, None]
        self._step[moving] += 1
        point = self._point[rows]
        torch.addcmul(start, sign, size, out=point).clamp_(0, 1)
        last = self._step[moving] == self._steps
        # T steps of epsilon/T leave the ball by rounding only, so one projection is enough.
        if last.any() or (share is not None and self._step[moving].max() * share > 1):
            radius = epsilon.float()[:, None, None, None]
            original = self._original[rows]
            torch.minimum(point, original + radius, out=point)
            torch.maximum(point, original - radius, out=point)
        if not isinstance(rows, slice):
            self._point[rows] = point
        if not self._search:
            self._finish(moving & (self._step == self._steps))

    def _judge(self, judging: NDArray[np.bool_], logits: Tensor) -> None:
        """Close the attempt of the rows ``judging``: move their epsilon, keep what succeeded."""
        assert self._best is not None
        rows = self._rows(judging)
        reached = succeeded(logits[rows], self._classes[rows], self._targeted[rows])
        epsilon, failed = self._epsilon[rows], self._failed[rows]
        smallest = torch.where(reached, epsilon, self._succeeded[rows])
        failed = torch.where(reached, failed, epsilon)
        lower = torch.where(failed.isnan(), epsilon / 2, (epsilon + failed) / 2)
        higher = torch.where(smallest.isnan(), epsilon * 2, (epsilon + smallest) / 2)
        take = reached | smallest.isnan()  # the last iterate is kept until one succeeds
        best = torch.where(take[:, None, None, None], self._point[rows], self._best[rows])
        self._best[rows] = best
        self._epsilon[rows] = torch.where(reached, lower, higher)
        self._succeeded[rows], self._failed[rows] = smallest, failed
        self._attempt[judging] += 1
        self._finish(judging & (self._attempt == self._attempts))

    def _begin(self, judged: NDArray[np.bool_]) -> None:
        """Begin the next attempt of the rows just judged: its first step has the clean gradient."""
        again = judged & (self._attempt < self._attempts)
        if again.any():
            assert self._clean is not None
            self._step[again] = 0
            rows = self._rows(again)
            direction = self._clean[rows]
            if self._velocity is not None:
                self._velocity[rows] = direction
            self._advance(again, rows, self._original[rows], self._signs(direction))

    def _finish(self, rows: NDArray[np.bool_]) -> None:
        if rows.any():
            self._attempt[rows] = self._attempts
            self.finished[self._rows(rows)] = True
