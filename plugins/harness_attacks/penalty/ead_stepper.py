"""The stepper behind EAD: FISTA on the perturbation, one row per image."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Point, Slots, look
from harness_attacks.layout import Schedule
from harness_attacks.margin import Margin
from harness_attacks.penalty.binary_search import BinarySearchStepper
from harness_attacks.penalty.parameters import MinimumNorm


class EADStepper(BinarySearchStepper):
    """A forward and backward at the momentum point; where it can matter, a forward at the iterate.

    It can matter while this binary-search step has found nothing, for the next const depends on it,
    and where the iterate is nearer than the image's best. A step whose const is too small to move a
    single pixel past the threshold ends at once: rates only fall, so it would never move one.

    Everything is kept relative to the original image: the box [0, 1] becomes [-x0, 1 - x0], and
    unchanged pixels stay unchanged to the bit.

    Args:
        rate: the first step size.
        rule: which success is the best.
        first_k: k of the momentum k / (k + 3) at the first iteration.
    """

    def __init__(
        self,
        slots: Slots,
        search: MinimumNorm,
        *,
        rate: float,
        beta: float,
        rule: Literal["l1", "en"],
        lazy_margin: float | None,
        first_k: int,
    ) -> None:
        super().__init__(slots, search)
        self._beta, self._rule, self._lazy = beta, rule, lazy_margin
        self._lowest, self._highest = self._matrix(), self._matrix()
        self._delta, self._spare = self._matrix(), self._matrix()
        self._momentum, self._point = self._matrix(), self._matrix()
        self._distance = self._vector(torch.float32)
        self._lacking = self._vector(torch.float32)
        self._wanted = self._vector(torch.bool)
        self._looked: NDArray[np.bool_] = np.zeros(slots.count, dtype=np.bool_)
        self._second_forward = False
        total = search.iterations
        rates = [rate * (1 - step / total) ** 0.5 for step in range(total)]
        columns = [
            rates,
            [1 - 2 * each for each in rates],
            [1 + k / (k + 3) for k in range(first_k, first_k + total)],
        ]
        self._schedule = Schedule(columns, slots.device)

    def point(self) -> Point:
        if not self._second_forward:
            return Point(self._layout.images(self._point))
        rows = self._wanted_rows()
        images = self._layout.images(self._original[rows].add_(self._delta[rows]))
        return Point(images, gradient=False, rows=rows)

    def observe(self, logits: Tensor) -> Tensor | None:
        if self._second_forward:
            self._judge(logits)
            return None
        margin = self._margin(logits)
        if self._checking():
            self.loss = self._weight * margin.loss(self._kappa)
            self.loss += self._measure(self._momentum, elastic=True)
            self._check()
        if self._lazy is not None:
            self._lacking = self._kappa - margin.value
        rate, _, _ = self._schedule.at(self._iteration)
        return margin.cotangent(self._kappa, rate.squeeze(1) * self._weight.neg())

    def step(self, gradient: Tensor) -> None:
        rows = self._layout.rows(gradient)
        _, keep, pull = self._schedule.at(self._iteration)
        rows.addcmul_(self._momentum, keep)  # the gradient came multiplied by minus the rate
        torch.ops.aten.softshrink.out(rows, self._beta, out=rows)
        torch.clamp(rows, self._lowest, self._highest, out=self._spare)
        torch.lerp(self._delta, self._spare, pull, out=self._momentum)
        torch.add(self._original, self._momentum, out=self._point)
        self._delta, self._spare = self._spare, self._delta
        self._distance = self._measure(self._delta, elastic=self._rule == "en")
        self._advance()
        if (self._round % self._stride == 1 % self._stride).any():
            self._end_unmoved()
        self._choose()
        if not self._second_forward:
            self._settle()

    def _measure(self, delta: Tensor, *, elastic: bool) -> Tensor:
        """l1 of each row, or l2^2 + beta * l1; the spare matrix is overwritten."""
        l1 = torch.abs(delta, out=self._spare).sum(1)
        if not elastic:
            return l1
        l2: Tensor = torch.linalg.vector_norm(delta, dim=1)
        return l2.square_().add_(l1, alpha=self._beta)

    def _end_unmoved(self) -> None:
        """End the binary-search steps whose first iteration has left every pixel where it was."""
        unmoved = (self._iteration == 1) & (self._distance == 0) & ~self.finished
        rows = look(unmoved).numpy()
        if rows.any():
            self._ending |= unmoved
            self._round[rows] = 0  # in step with the checks again
            self._look = True

    def _choose(self) -> None:
        """Which rows need a forward pass at their iterate."""
        # Nothing comes after the last binary-search step that its success could steer.
        steering = ~self._found & (self.search_step < self._search_steps - 1)
        useful = (self._distance < self.best) | steering
        if self._lazy is not None:
            useful &= self._found | (self._lacking <= self._lazy)
        # At distance 0 the iterate is the image itself, on which the goal is not reached.
        torch.logical_and(useful, self._distance > 0, out=self._wanted)
        self._wanted &= ~self.finished
        self._looked = look(self._wanted).numpy().copy()
        self._second_forward = bool(self._looked.any())

    def _wanted_rows(self) -> Tensor:
        """The numbers of the wanted rows, int64, on the device."""
        rows = torch.from_numpy(np.flatnonzero(self._looked))
        return rows.to(self._device, non_blocking=True)

    def _judge(self, logits: Tensor) -> None:
        """Take the verdict on the iterates of the wanted rows."""
        rows = self._wanted_rows()
        margin = Margin(logits, self._classes[rows], self._targeted[rows])
        success = torch.zeros_like(self._wanted)
        success[rows] = margin.success(self._kappa)
        self._record(self._delta, self._distance, success)
        self._second_forward = False
        self._settle()

    def _start(self, rows: Tensor) -> None:
        original = self._original[rows]
        self._lowest[rows], self._highest[rows] = -original, 1 - original
        self._wanted[rows] = False
        self._looked[look(rows).numpy()] = False
        if self._second_forward and not self._looked.any():  # it was wanted for these rows alone
            self._second_forward = False
            self._settle()
        self._restart(rows)

    def _restart(self, rows: Tensor) -> None:
        self._delta[rows] = 0
        self._momentum[rows] = 0
        self._point[rows] = self._original[rows]

    def _last_rows(self, rows: Tensor) -> Tensor:
        return self._delta[rows]

    def _as_images(self, found: Tensor, rows: Tensor) -> Tensor:
        return self._original[rows] + found
