"""The stepper behind FAB: one evaluation an iteration, its runs a schedule that the host knows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Again, Batch, Candidates, Norm, Point, Slots, Stepper, look, looks
from harness_attacks.boundary.crossing import Boundary, FinalSearch
from harness_attacks.boundary.hyperplane import step_to
from harness_attacks.boundary.parameters import FINAL_STEPS, AdaptiveBoundary
from harness_attacks.layout import Layout
from harness_attacks.targets import Targets

ORDER = {Norm.LINF: torch.inf, Norm.L2: 2, Norm.L1: 1}
RADIUS = {Norm.LINF: 0.3, Norm.L2: 1.0, Norm.L1: 5.0}
"""Of random starts, at most: that of the authors' code."""
SMALLEST = 1e-8


class FABStepper(Stepper):
    """Croce & Hein 2020, Algorithm 1, each image at its own place in its schedule.

    A run is ``iterations`` rounds with a gradient and one that only judges the last point; runs
    follow each other, over the classes of FAB-T first, then over restarts; the final search (eq.
    12) is three rounds on the segment from the image to the best found.

    It differs from the paper in one thing, which saves one of two forward passes: after a success
    the boundary is linearised where the success was judged, not at the point beta of the way there,
    from which the step is taken.

    Attributes:
        best: float32 (slots,), the distance of the nearest success, inf before there is one.
    """

    def __init__(self, slots: Slots, settings: AdaptiveBoundary) -> None:
        values = math.prod(slots.shape)

        def matrix() -> Tensor:
            return torch.zeros(slots.count, values, device=slots.device)

        def vector(dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(slots.count, dtype=dtype, device=slots.device)

        self._settings, self._norm, self._layout = settings, settings.norm, Layout(slots)
        self._span = settings.iterations + 1
        rival_classes = min(settings.classes, slots.classes - 1)
        self._targets: Targets | None = None
        if settings.variant == "fab-t":
            ranked = settings.candidates if settings.targets == "malt" else None
            self._targets = Targets(slots, self._norm, rival_classes, ranked)
        candidates = 1 if self._targets is not None else rival_classes
        self._several, self._boundary = candidates > 1, Boundary(self._norm, candidates)
        self._search = FinalSearch(slots.count, slots.device)
        self._original, self._point, self._best_rows = matrix(), matrix(), matrix()
        self._starts = torch.zeros(
            (slots.count, settings.restarts - 1, values), device=slots.device
        )
        self._classes, self._targeted = vector(torch.int64), vector(torch.bool)
        self._target = vector(torch.int64)
        self.best, self._best_lead, self._clean_lead = (vector() for _ in range(3))
        self._better = vector(torch.bool)
        self.finished = ~vector(torch.bool)
        self._goals: NDArray[np.int64] = np.zeros(slots.count, dtype=np.int64)
        self._round: NDArray[np.int64] = np.full(slots.count, FINAL_STEPS)
        self._aimed: NDArray[np.bool_] = np.zeros(slots.count, dtype=np.bool_)

    def load(self, rows: Tensor, batch: Batch) -> None:
        images = self._layout.rows(batch.images)
        self._original[rows], self._point[rows] = images, images
        self._classes[rows], self._targeted[rows] = batch.classes, batch.targeted
        self.best[rows], self.finished[rows] = torch.inf, False
        for draw in range(self._settings.restarts - 1):
            self._starts[rows, draw] = self._direction(self._layout.rows(batch.noise(draw)))
        index, aimed = (each.numpy() for each in looks(rows, batch.targeted))
        self._round[index], self._aimed[index] = 0, aimed
        self._goals[index] = 1
        if self._targets is not None:
            self._targets.load(rows, batch.classes, index, aimed)
            self._goals[index[~aimed]] = self._targets.count

    def keep(self, rows: Tensor) -> None:
        super().keep(rows)
        self._search.keep(rows)
        if self._targets is not None:
            self._targets.keep(rows, look(rows).numpy())

    def next_finish(self) -> int | None:
        if self._settings.epsilon is not None:
            return None
        left = self._end - self._round
        left = left[left > 0] + (self._ordering is not None)
        return int(left.min()) if left.size else 0

    def point(self) -> Point:
        if (targets := self._ordering) is not None:
            rows = self._sent(targets.waiting)
            return targets.point(rows, self._layout.images(self._original[rows]))
        images = self._layout.images(self._point)
        if not self._asking.any():
            return Point(images, gradient=False)
        mask = self._mask(self._asking)
        return Point(images, asking=mask, again=self._several)

    def observe(self, logits: Tensor) -> Tensor | None:
        if (targets := self._ordering) is not None:
            rows = self._sent(targets.waiting)
            first = targets.observe(logits, rows, self._classes[rows])
            if first is None:
                self._aim(targets.done())
            return first
        found = self._boundary
        found.observe(logits, self._classes, self._targeted)
        if (new := self._round == 0).any():
            rows = self._rows(new)
            self._clean_lead[rows] = found.lead[rows]
        distance = self._size(self._point - self._original)
        self._better = found.sure & (distance < self.best) & ~self.finished
        self.best = torch.where(self._better, distance, self.best)
        self._best_lead = torch.where(self._better, found.lead, self._best_lead)
        self._best_rows = torch.where(self._better[:, None], self._point, self._best_rows)
        if self._settings.epsilon is not None:
            self.finished = self.finished | (self.best <= self._settings.epsilon)
        if not self._asking.any():
            self._advance()
            return None
        return found.first(None if self._targets is None else self._target)

    def step(self, gradient: Tensor) -> Again | None:
        if (targets := self._ordering) is not None:
            again = targets.step(gradient, self._sent(targets.waiting))
            if again is None:
                self._aim(targets.done())
            return again
        self._boundary.take(self._layout.rows(gradient))
        further = self._asking & ~self._aimed
        if further.any() and (cotangent := self._boundary.next()) is not None:
            return Again(cotangent, self._mask(further))
        self._move(self._boundary.normal, self._boundary.value)
        self._advance()
        return None

    def result(self, rows: Tensor) -> Candidates:
        original = self._original[rows]
        found = torch.isfinite(self.best[rows])[:, None]
        away = torch.where(found, self._best_rows[rows], self._point[rows]) - original
        if self._settings.epsilon is not None:
            share = self._settings.epsilon / self._size(away).clamp_(min=SMALLEST)
            away *= torch.where(share < 1, share, 1)[:, None]
        return Candidates(self._layout.images(original + away))

    # Where each row is in its schedule; the host knows.

    @property
    def _searching(self) -> NDArray[np.int64]:
        """The round at which the final search begins, (slots,)."""
        return self._settings.restarts * self._goals * self._span

    @property
    def _end(self) -> NDArray[np.int64]:
        return self._searching + FINAL_STEPS

    @property
    def _asking(self) -> NDArray[np.bool_]:
        """Whose gradient is needed: not at the end of a run, nor after the runs."""
        within = self._round % self._span < self._settings.iterations
        asking: NDArray[np.bool_] = (self._round < self._searching) & within
        return asking

    def _mask(self, rows: NDArray[np.bool_]) -> Tensor | None:
        """``rows`` on the device; None where only idle ones are missing, which do not count."""
        return None if (rows | (self._round >= self._end)).all() else self._sent(rows)

    def _rows(self, mask: NDArray[np.bool_]) -> Tensor | slice:
        return slice(None) if mask.all() else self._sent(np.flatnonzero(mask))

    def _sent(self, values: NDArray[Any]) -> Tensor:
        return torch.from_numpy(values).to(self._point.device, non_blocking=True)

    def _advance(self) -> None:
        """On to the next round: of its run, of another one, of the final search, or to the end."""
        seeking = (self._round >= self._searching) & (self._round < self._end)
        if seeking.any():
            self._search.narrow(self._sent(seeking), self._better, self._boundary.lead)
        self._round = np.minimum(self._round + 1, self._end)
        starting = (self._round % self._span == 0) & (self._round < self._searching)
        if starting.any():
            self._start(starting)
        if (first := self._round == self._searching).any():
            self._search.begin(self._sent(first), self._clean_lead)
        seeking = (self._round >= self._searching) & (self._round < self._end)
        if seeking.any():
            segment = self._original.lerp(self._best_rows, self._search.look(self._best_lead))
            rows = self._sent(seeking) & self.best.isfinite()
            self._point = torch.where(rows[:, None], segment, self._point)
        if (ended := self._round == self._end).any():
            self.finished[self._rows(ended)] = True

    @property
    def _ordering(self) -> Targets | None:
        """Which orders the targets of new images, in a round of theirs; None: there are none."""
        targets = self._targets
        return targets if targets is not None and len(targets.waiting) else None

    def _aim(self, index: NDArray[np.int64]) -> None:
        """At the target of the run that the rows ``index`` are in."""
        if self._targets is not None:
            rows, run = self._sent(index), self._round[index] // self._span
            self._target[rows] = self._targets.at(rows, self._sent(run % self._goals[index]))

    # Steps of a run.

    def _move(self, normal: Tensor, value: Tensor) -> None:
        """The steps from the point and from the image to the boundary, mixed (eq. 9 to 11)."""
        eta, original = self._settings.eta, self._original
        inside = original + self._settings.beta * (self._point - original)
        start = torch.where((self._boundary.lead > 0)[:, None], inside, self._point)
        there = value + (normal * (start - self._point)).sum(1)
        here = value + (normal * (original - self._point)).sum(1)
        step = step_to(self._norm, start, normal, there)
        clean_step = step_to(self._norm, original, normal, here)
        far, clean_far = self._size(step), self._size(clean_step)
        pull = far / (far + clean_far).clamp_(min=SMALLEST)
        pull = pull.clamp_(max=self._settings.alpha_max)[:, None]
        start.add_(step, alpha=eta)
        clean_step.mul_(eta).add_(original)
        moved = start.lerp_(clean_step, pull).clamp_(0, 1)
        still = self.finished if self._asking.all() else self.finished | ~self._sent(self._asking)
        self._point = torch.where(still[:, None], self._point, moved)

    def _start(self, starting: NDArray[np.bool_]) -> None:
        """Begin the next run of the rows ``starting``: all targets, then all again at random."""
        self._aim(np.flatnonzero(starting))
        rows, start = self._rows(starting), self._original[self._rows(starting)]
        restart = self._round[starting] // self._span // self._goals[starting]
        if restart.any():
            radius = self._settings.epsilon or RADIUS[self._norm]
            radii = self.best[rows].clamp(max=radius)[:, None] / 2
            draw = self._sent(np.maximum(restart - 1, 0))[:, None, None]
            away = self._starts[rows].take_along_dim(draw, 1)[:, 0] * radii
            away *= self._sent(restart > 0)[:, None]
            start = (start + away).clamp_(0, 1)
        self._point[rows] = start

    def _direction(self, noise: Tensor) -> Tensor:
        """Random rows of size 1: for linf from uniform numbers, else from normal ones."""
        if self._norm is Norm.LINF:
            noise = torch.erf(noise / math.sqrt(2))
        return noise / self._size(noise)[:, None]

    def _size(self, rows: Tensor) -> Tensor:
        return torch.linalg.vector_norm(rows, ORDER[self._norm], dim=1)
