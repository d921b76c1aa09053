"""A fixed number of iterations, each judged by its own forward pass; the nearest success stays."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Batch, Candidates, Norm, Point, Slots, Stepper, look
from harness_attacks.layout import Layout
from harness_attacks.margin import Margin

TINY = 1e-20
"""Keeps gradients of zero at zero where they are divided by their norm."""

HAIR = 4e-6
"""The margin over the largest logit that a success has at least. What ends on the boundary itself
loses the verdict, another forward pass, to rounding."""


class NearestStepper(Stepper):
    """What FMN, DDN and sigma-zero share: iterates on rows, and the best so far of each.

    An image starts at itself. The last iteration has a forward pass only, for no step would be
    judged after it. No count depends on data, so the host knows the rounds.

    Attributes:
        best: float32 (slots,), the distance of the nearest success, inf before there is one.
    """

    def __init__(self, slots: Slots, norm: Norm, steps: int) -> None:
        self._count, self._device = slots.count, slots.device
        self._values = math.prod(slots.shape)
        self._layout, self._order, self._steps = Layout(slots), ORDERS[norm], steps
        self._original, self._point, self._delta, self._best_rows = (
            self._matrix() for _ in range(4)
        )
        self._classes, self._targeted = self._vector(torch.int64), self._vector(torch.bool)
        self.best, self._distance = self._vector(torch.float32), self._vector(torch.float32)
        self._success = self._vector(torch.bool)
        self._iteration = self._vector(torch.int64)
        self.finished = ~self._vector(torch.bool)
        self._round: NDArray[np.int64] = np.full(slots.count, steps)

    def load(self, rows: Tensor, batch: Batch) -> None:
        images = self._layout.rows(batch.images)
        self._original[rows] = images
        self._point[rows] = images
        self._classes[rows] = batch.classes
        self._targeted[rows] = batch.targeted
        self.best[rows] = torch.inf
        self._iteration[rows] = 0
        self.finished[rows] = False
        self._round[look(rows).numpy()] = 0
        self._start(rows)

    def next_finish(self) -> int:
        left = self._steps - self._round
        left = left[left > 0]
        return int(left.min()) if left.size else 0

    def point(self) -> Point:
        images = self._layout.images(self._point)
        active, asking = self._round < self._steps, self._round < self._steps - 1
        if not asking.any():
            return Point(images, gradient=False)
        return Point(images, asking=None if (asking == active).all() else self._sent(asking))

    def observe(self, logits: Tensor) -> Tensor:
        margin = Margin(logits, self._classes, self._targeted)
        torch.sub(self._point, self._original, out=self._delta)
        self._distance = _norm(self._delta, self._order)
        hair = HAIR * logits.abs().amax(1)
        self._success = (margin.value > hair) & ~self.finished
        self._record()
        self._iteration += ~self.finished
        active = self._round < self._steps
        self._round += active
        if (done := active & (self._round == self._steps)).any():
            self._finish(self._sent(np.flatnonzero(done)))
        return self._cotangent(logits, margin)

    def result(self, rows: Tensor) -> Candidates:
        fresh = (self.best[rows].isinf() & ~self.finished[rows])[:, None]
        kept = torch.where(fresh, self._point[rows], self._best_rows[rows])
        return Candidates(self._layout.images(kept))

    @abstractmethod
    def _start(self, rows: Tensor) -> None:
        """Start the slots ``rows`` (int64) anew."""

    @abstractmethod
    def _cotangent(self, logits: Tensor, margin: Margin) -> Tensor:
        """The cotangent of the attack's loss on the logits, (slots, classes)."""

    def _record(self) -> None:
        better = self._success & (self._distance < self.best)
        if self._device.type != "cpu":  # passes over memory are cheaper than waiting for numbers
            self.best = torch.where(better, self._distance, self.best)
            torch.where(better[:, None], self._point, self._best_rows, out=self._best_rows)
        elif len(rows := better.nonzero().squeeze(1)):
            self.best[rows] = self._distance[rows]
            self._best_rows[rows] = self._point[rows]

    def _finish(self, rows: Tensor) -> None:
        failed = self.best[rows].isinf()[:, None]
        self._best_rows[rows] = torch.where(failed, self._point[rows], self._best_rows[rows])
        self.finished[rows] = True

    def _move_to(self, delta: Tensor) -> None:
        """The next point: ``delta`` from the original, inside the box."""
        torch.add(self._original, delta, out=self._point).clamp_(0, 1)

    def _matrix(self) -> Tensor:
        return torch.zeros((self._count, self._values), device=self._device)

    def _vector(self, dtype: torch.dtype) -> Tensor:
        return torch.zeros(self._count, dtype=dtype, device=self._device)

    def _sent(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self._device, non_blocking=True)


ORDERS = {Norm.L0: 0.0, Norm.L1: 1.0, Norm.L2: 2.0, Norm.LINF: math.inf}


def _norm(rows: Tensor, order: float) -> Tensor:
    """Their norms, (n,); the largest size is read from the ends, in vector instructions."""
    if math.isinf(order):
        return torch.maximum(rows.amax(1), rows.amin(1).neg_())
    norms: Tensor = torch.linalg.vector_norm(rows, order, dim=1)
    return norms


def cosine(first: float, last: float, steps: int) -> list[float]:
    """Cosine annealing from ``first`` to ``last``; an entry for each count of evaluations made."""
    shares = [(1 + math.cos(math.pi * max(k - 1, 0) / steps)) / 2 for k in range(steps + 1)]
    return [last + (first - last) * share for share in shares]


def normalised(rows: Tensor, order: float) -> Tensor:
    """``rows`` over their norms, in place; rows of zeros stay."""
    norms = torch.linalg.vector_norm(rows, order, dim=1, keepdim=True)
    return rows.div_(norms.clamp_(min=TINY))
