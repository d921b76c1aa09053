"""Climbing a loss in a ball: starts, target classes, the early end and the best point so far."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Again, Batch, Candidates, Point, Slots, Stepper, look, looks, succeeded
from harness_attacks.ascent.ball import Ball
from harness_attacks.ascent.losses import LOSSES, Aim
from harness_attacks.ascent.parameters import Ascent
from harness_attacks.layout import Layout
from harness_attacks.targets import Targets

LATE = 0.1
"""The last share of a run's steps, in which ``late_gain`` looks for a rising loss."""


ROUNDING = 1e-6
"""What a loss has to rise by, as a share of 1 and its size: by less, a batch mate can change it."""


def risen(value: Tensor, before: Tensor) -> Tensor:
    """Whether ``value`` is above ``before`` by more than rounding; from -inf always."""
    return value - before > ROUNDING * (1 + value.abs())


class AscentStepper(Stepper):
    """Runs of T steps, one for each start and target class; subclasses say how a step goes.

    A run evaluates T + 1 points and needs T gradients. Where a row is in its runs does not depend
    on data, so the host keeps count; only whether a row is broken is known to the device alone.

    The starts of one image are its normal numbers, rolled on by another share of the image each
    time: every start has the right distribution, and no further numbers are drawn or kept.

    Args:
        targets: the target classes that each start tries; None: the loss knows none.
        random: whether runs start at random points, not at the original.

    Attributes:
        value: float32 (slots,), the loss at the point.
        highest: float32 (slots,), the highest loss of the run so far, -inf before there is one.
        better: bool (slots,), whether that is the point's.
        top: float32 (slots, values), the point of the highest loss, or where the row is broken.
        iteration: int64 (slots,), on the host: the steps made in this run.
    """

    def __init__(
        self,
        slots: Slots,
        attack: Ascent,
        ball: Ball,
        *,
        loss: str,
        targets: Targets | None = None,
        random: bool = True,
    ) -> None:
        self._layout, self._ball, self._targets = Layout(slots), ball, targets
        self._steps, self._restarts, self._random = attack.steps, attack.restarts, random
        self._loss = LOSSES[loss]
        self._stride = max(1, ball.original.shape[1] // attack.runs)
        self._late = attack.steps - max(1, round(LATE * attack.steps))
        self._at, self.top, self._buffer, self._noise = (
            torch.zeros_like(ball.original) for _ in range(4)
        )
        self._kept = torch.zeros_like(ball.original) if attack.runs > 1 else None

        def numbers(dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(slots.count, dtype=dtype, device=slots.device)

        self.value, self.highest, self._first, self._before = (numbers() for _ in range(4))
        self._kept_value, self._late_gain = numbers(), numbers()
        self._classes, self._labels, self._tried = (numbers(torch.int64) for _ in range(3))
        self._targeted, self._won, self.better = (numbers(torch.bool) for _ in range(3))
        self.finished = ~numbers(torch.bool)
        self.iteration, self._run, self._runs = np.zeros((3, slots.count), dtype=np.int64)

    def load(self, rows: Tensor, batch: Batch) -> None:
        self._ball.load(rows, self._layout.rows(batch.images))
        self._classes[rows], self._labels[rows] = batch.classes, batch.labels
        self._targeted[rows], self._tried[rows] = batch.targeted, batch.classes
        if self._random:
            self._noise[rows] = self._layout.rows(batch.noise(0))
        self._kept_value[rows], self._late_gain[rows] = -torch.inf, torch.nan
        self.highest[rows] = -torch.inf
        self.top[rows] = self._ball.original[rows]
        if self._kept is not None:
            self._kept[rows] = self._ball.original[rows]
        self._won[rows], self.finished[rows] = False, False
        index, targeted = (each.numpy() for each in looks(rows, batch.targeted))
        self._run[index], self.iteration[index], self._runs[index] = 0, 0, self._restarts
        if self._targets is None:
            self._begin(index)
            return
        self._targets.load(rows, batch.classes, index, targeted)
        self._runs[index] *= np.where(targeted, 1, self._targets.count)
        self._begin(index[targeted])

    def keep(self, rows: Tensor) -> None:
        super().keep(rows)
        self._ball.keep(rows)
        if self._targets is not None:
            self._targets.keep(rows, look(rows).numpy())

    def point(self) -> Point:
        if (targets := self._ordering) is not None:
            rows = self._sent(targets.waiting)
            return targets.point(rows, self._layout.images(self._ball.original[rows]))
        images, asking = self._layout.images(self._at), self._asking
        if not asking.any():
            return Point(images, gradient=False)
        return Point(images, asking=None if asking.all() else self._sent(asking))

    def observe(self, logits: Tensor) -> Tensor | None:
        if (targets := self._ordering) is not None:
            rows = self._sent(targets.waiting)
            first = targets.observe(logits, rows, self._labels[rows])
            if first is None:
                self._begin(targets.done())
            return first
        aim = Aim(self._classes, self._targeted, self._labels, self._tried)
        self.value, cotangent = self._loss(logits, aim)
        going = ~self.finished
        won = self._broken(logits) & going
        self.better = (risen(self.value, self.highest) & going) | won
        self.highest = torch.where(self.better, self.value, self.highest)
        torch.where(self.better[:, None], self._at, self.top, out=self.top)
        self._first = self._noted(self._fresh, self.value, self._first)
        self._before = self._noted(self.iteration == self._late, self.highest, self._before)
        self._won, self.finished = self._won | won, self.finished | won
        if not self._asking.any():
            self._advance()
        return cotangent

    def step(self, gradient: Tensor) -> Again | None:
        if (targets := self._ordering) is not None:
            again = targets.step(gradient, self._sent(targets.waiting))
            if again is None:
                self._begin(targets.done())
            return again
        self._move(self._layout.rows(gradient))
        self._advance()
        return None

    def result(self, rows: Tensor) -> Candidates:
        """The point where a row is broken, or that of the highest loss of all its runs."""
        images = self._layout.images(self._ball.tight(self._found(rows), rows))
        return Candidates(images, {"late_gain": self._late_gain[rows]})

    def _found(self, rows: Tensor) -> Tensor:
        if self._kept is None:
            return self.top[rows]
        current = (self._won | (self.highest > self._kept_value))[rows, None]
        return torch.where(current, self.top[rows], self._kept[rows])

    @abstractmethod
    def _move(self, gradient: Tensor) -> None:
        """Put the next point into `_at`, given the gradient (slots, values) at this one."""

    def _started(self, rows: Tensor) -> None:
        """The slots ``rows`` (int64) have begun a run."""

    def _broken(self, logits: Tensor) -> Tensor:
        """Whether the points, if they may be returned, reach the goal; bool (slots,)."""
        return succeeded(logits, self._classes, self._targeted)

    @property
    def _fresh(self) -> NDArray[np.bool_]:
        """The rows whose point is the first from which `late_gain` counts."""
        return self.iteration == 0

    @property
    def _active(self) -> NDArray[np.bool_]:
        """The rows that have runs left, broken or not."""
        return self._run < self._runs

    @property
    def _asking(self) -> NDArray[np.bool_]:
        return self._active & (self.iteration < self._steps)

    @property
    def _ordering(self) -> Targets | None:
        """Where target classes are to be ordered first; all other rows wait meanwhile."""
        targets = self._targets
        return targets if targets is not None and len(targets.waiting) else None

    def _sent(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self._at.device, non_blocking=True)

    def _noted(self, where: NDArray[np.bool_], new: Tensor, old: Tensor) -> Tensor:
        return torch.where(self._sent(where), new, old) if where.any() else old

    def _advance(self) -> None:
        """Count the step; close the runs that are at their last point, and begin the next."""
        active = self._active
        ended = active & (self.iteration == self._steps)
        self.iteration[active & ~ended] += 1
        if not ended.any():
            return
        self._close(self._sent(ended))
        self._run[ended] += 1
        self.finished = self.finished | self._sent(ended & ~self._active)
        self._begin(np.flatnonzero(ended & self._active))

    def _close(self, ended: Tensor) -> None:
        """Keep the best point of the runs that have ``ended``, bool (slots,), if it is the best."""
        take = ended & ~self.finished & (self.highest > self._kept_value)
        gain = self.highest - self._first
        share = torch.where(gain > 0, (self.highest - self._before) / gain, torch.nan)
        self._late_gain = torch.where(take, share, self._late_gain)
        self._kept_value = torch.where(take, self.highest, self._kept_value)
        if self._kept is not None:
            torch.where(take[:, None], self.top, self._kept, out=self._kept)

    def _begin(self, index: NDArray[np.int64]) -> None:
        """Start the next run of the slots ``index``, except where a row is broken already."""
        for run in np.unique(self._run[index]).tolist():
            chosen = index[self._run[index] == run]
            rows = self._sent(chosen)
            self.iteration[chosen] = 0
            if self._targets is not None:
                place = run // self._restarts
                self._tried[rows] = self._targets.at(rows, torch.full_like(rows, place))
            start = self._start(rows, run)
            self._at[rows] = start
            done = self._won[rows]
            self.top[rows] = torch.where(done[:, None], self.top[rows], start)
            self.highest[rows] = torch.where(done, self.highest[rows], -torch.inf)
            self._started(rows)

    def _start(self, rows: Tensor, run: int) -> Tensor:
        original = self._ball.original[rows]
        if not self._random:
            return original
        return self._ball.start(self._noise[rows].roll(run * self._stride, dims=1), rows)
