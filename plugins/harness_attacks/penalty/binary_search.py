"""The binary search over const, each image on its own: what C&W and EAD steppers share."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Batch, Candidates, Slots, Stepper, look
from harness_attacks.layout import Layout
from harness_attacks.margin import Margin
from harness_attacks.penalty.parameters import LARGEST_CONST, MinimumNorm

NO_PROGRESS = 0.9999
"""A loss above this share of the one at the check before ends a binary-search step."""


class BinarySearchStepper(Stepper):
    """Const, its bounds, the iteration, the early abort and the best so far of each row.

    A success in this binary-search step steers const; only a success nearer than all before it
    becomes the result. All checks fall on iterations that divide `_stride`, so the host, which
    counts rounds, knows when a look at the device can be worth it and makes none in between.

    Attributes:
        const: float64 (slots,), of the current binary-search step; `_weight` is its float32.
        best: float32 (slots,), the distance of the best success, inf before there is one.
        loss: float32 (slots,), at the last evaluation that computed it.
        search_step: int64 (slots,), the binary-search steps behind it.
    """

    def __init__(self, slots: Slots, settings: MinimumNorm) -> None:
        self._count, self._device = slots.count, slots.device
        self._values = math.prod(slots.shape)
        self._layout = Layout(slots)
        self._kappa, self._first_const = settings.kappa, settings.initial_const
        self._iterations, self._search_steps = settings.iterations, settings.search_steps
        self._interval = settings.check_interval
        self._stride = math.gcd(self._iterations, self._interval or 0)
        self._original, self._best_rows = self._matrix(), self._matrix()
        self._classes, self._targeted = self._vector(torch.int64), self._vector(torch.bool)
        self._weight = self._vector(torch.float32)
        self.const, self._lower, self._upper, self._best_const = (
            self._vector(torch.float64) for _ in range(4)
        )
        self.best, self.loss, self._previous = (self._vector(torch.float32) for _ in range(3))
        self._found, self._ending = self._vector(torch.bool), self._vector(torch.bool)
        self._iteration, self.search_step = (self._vector(torch.int64) for _ in range(2))
        self.finished = ~self._vector(torch.bool)
        self._round: NDArray[np.int64] = np.full(slots.count, self._longest)
        self._look = False

    def load(self, rows: Tensor, batch: Batch) -> None:
        self._original[rows] = self._layout.rows(batch.images)
        self._classes[rows] = batch.classes
        self._targeted[rows] = batch.targeted
        self.const[rows] = self._first_const
        self._weight[rows] = self._first_const
        self._lower[rows], self._upper[rows] = 0, LARGEST_CONST
        self._best_const[rows] = torch.nan
        self.best[rows] = torch.inf
        self.search_step[rows] = 0
        self.finished[rows] = False
        self._ending[rows] = False
        self._round[look(rows).numpy()] = 0
        self._begin(rows)
        self._start(rows)
        self._best_rows[rows] = self._last_rows(rows)

    def result(self, rows: Tensor) -> Candidates:
        # Where there is no success, `_best_rows` holds the last iterate of the step before.
        moved = ~self.finished[rows] & self.best[rows].isinf() & (self._iteration[rows] > 0)
        found = torch.where(moved[:, None], self._last_rows(rows), self._best_rows[rows])
        images = self._layout.images(self._as_images(found, rows))
        return Candidates(images, {"const": self._best_const[rows]})

    @abstractmethod
    def _start(self, rows: Tensor) -> None:
        """Put the slots ``rows`` (int64) at their original images."""

    @abstractmethod
    def _restart(self, rows: Tensor) -> None:
        """Begin another binary-search step for the slots ``rows`` (int64)."""

    @abstractmethod
    def _last_rows(self, rows: Tensor) -> Tensor:
        """The last iterates of the slots ``rows``, as they are kept in `_best_rows`."""

    def _as_images(self, found: Tensor, rows: Tensor) -> Tensor:
        """What is kept of the slots ``rows`` in `_best_rows`, as pixels."""
        return found

    def _matrix(self) -> Tensor:
        return torch.zeros((self._count, self._values), device=self._device)

    def _vector(self, dtype: torch.dtype) -> Tensor:
        return torch.zeros(self._count, dtype=dtype, device=self._device)

    @property
    def _longest(self) -> int:
        """The iterations of an image that never aborts."""
        return self._iterations * self._search_steps

    def _margin(self, logits: Tensor) -> Margin:
        return Margin(logits, self._classes, self._targeted)

    def _checking(self) -> bool:
        """Whether a row may be at its step's first iteration, at a check or at the step's last."""
        phase = self._round % self._stride
        return bool(((phase == 0) | (phase == self._stride - 1)).any())

    def _check(self) -> None:
        """Decide from `loss` which rows end their binary-search step with this iteration."""
        number = self._iteration + 1
        torch.eq(number, self._iterations, out=self._ending)
        if self._interval is not None:
            due = number % self._interval == 0
            self._ending |= due & (self.loss > NO_PROGRESS * self._previous)
            self._previous = torch.where(due | (number == 1), self.loss, self._previous)
        self._ending &= ~self.finished

    def _record(self, points: Tensor, distance: Tensor, success: Tensor) -> None:
        """Take note of ``success`` (slots,) at ``points`` (slots, values), ``distance`` away."""
        success = success & ~self.finished
        self._found |= success
        better = success.logical_and_(distance < self.best)
        if points.is_cuda:  # passes over memory are cheaper than waiting for the row numbers
            self.best = torch.where(better, distance, self.best)
            self._best_const = torch.where(better, self.const, self._best_const)
            torch.where(better[:, None], points, self._best_rows, out=self._best_rows)
        elif len(rows := better.nonzero().squeeze(1)):
            self.best[rows] = distance[rows]
            self._best_const[rows] = self.const[rows]
            self._best_rows[rows] = points[rows]

    def _advance(self) -> None:
        """Count an iteration of every row under way."""
        self._iteration += ~self.finished
        self._round += 1
        self._look = bool((self._round % self._stride == 0).any())

    def _settle(self) -> None:
        """Move the rows that ended a binary-search step to the next, or finish them."""
        if not self._look:
            return
        ending = look(self._ending).nonzero().squeeze(1)
        if not len(ending):
            return
        rows = ending.to(self._device, non_blocking=True)
        self._move_const(rows)
        self.search_step[rows] += 1
        done = self.search_step[rows] == self._search_steps
        self.finished[rows] = done
        failed = self.best[rows].isinf()[:, None]
        last = torch.where(failed, self._last_rows(rows), self._best_rows[rows])
        self._best_rows[rows] = last
        self._ending[rows] = False
        self._begin(rows)
        self._restart(rows)

    def _move_const(self, rows: Tensor) -> None:
        const, found = self.const[rows], self._found[rows]
        lower = torch.where(found, self._lower[rows], const)
        upper = torch.where(found, const, self._upper[rows])
        tenfold = (const * 10).clamp_(max=LARGEST_CONST)
        self.const[rows] = torch.where(upper < LARGEST_CONST, (lower + upper) / 2, tenfold)
        self._lower[rows], self._upper[rows] = lower, upper
        self._weight[rows] = self.const[rows].float()

    def _begin(self, rows: Tensor) -> None:
        self._iteration[rows] = 0
        self._found[rows] = False
        self._previous[rows] = torch.inf
