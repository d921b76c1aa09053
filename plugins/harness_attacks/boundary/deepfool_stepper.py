"""The stepper behind DeepFool: an image ends at its first success, or after a search behind it."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Again, Batch, Candidates, Norm, Point, Slots, Stepper, looks
from harness_attacks.boundary.crossing import SMALLEST, Boundary, FinalSearch
from harness_attacks.boundary.linearised import Linearised
from harness_attacks.layout import Layout

NUDGE = 1e-4
"""Added to each step's length, as the authors' code does: steps that shrink with the margin alone
would come ever nearer to a curved boundary, and not cross it."""


class DeepFoolStepper(Stepper):
    """Moosavi-Dezfooli et al. 2016, Algorithm 2, within the box.

    A step goes from the point to the nearest linearised boundary, in l2 along the gradient (eq. 8
    and 9), in linf along its sign (eq. 11 and 12 with p of infinity). The point is the image plus
    the sum of all steps, the overshoot included, as in the authors' code.
    """

    def __init__(self, slots: Slots, settings: Linearised) -> None:
        def matrix() -> Tensor:
            return torch.zeros(slots.count, math.prod(slots.shape), device=slots.device)

        def vector(dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(slots.count, dtype=dtype, device=slots.device)

        self._settings, self._norm, self._layout = settings, settings.norm, Layout(slots)
        candidates = min(settings.classes, slots.classes - 1)
        self._several, self._boundary = candidates > 1, Boundary(self._norm, candidates)
        self._search = FinalSearch(slots.count, slots.device)
        self._original, self._point, self._moved = matrix(), matrix(), matrix()
        self._best_rows = matrix() if settings.final_search else None
        self._classes, self._targeted = vector(torch.int64), vector(torch.bool)
        self._clean_lead, self._best_lead = vector(), vector()
        self._iteration, self._looks = vector(torch.int64), vector(torch.int64)
        self._found, self.finished = vector(torch.bool), ~vector(torch.bool)
        self._aimed: NDArray[np.bool_] = np.zeros(slots.count, dtype=np.bool_)

    def load(self, rows: Tensor, batch: Batch) -> None:
        images = self._layout.rows(batch.images)
        self._original[rows], self._point[rows], self._moved[rows] = images, images, 0
        self._classes[rows], self._targeted[rows] = batch.classes, batch.targeted
        self._iteration[rows], self._looks[rows] = 0, 0
        self._found[rows], self.finished[rows] = False, False
        index, aimed = (each.numpy() for each in looks(rows, batch.targeted))
        self._aimed[index] = aimed

    def keep(self, rows: Tensor) -> None:
        super().keep(rows)
        self._search.keep(rows)

    def point(self) -> Point:
        asking = ~self._found & (self._iteration < self._settings.iterations)
        return Point(self._layout.images(self._point), asking=asking, again=self._several)

    def observe(self, logits: Tensor) -> Tensor:
        found = self._boundary
        found.observe(logits, self._classes, self._targeted)
        active, seeking = ~self.finished, self._found & ~self.finished
        first = active & (self._iteration == 0)
        self._clean_lead = torch.where(first, found.lead, self._clean_lead)
        success = active & found.sure
        if self._best_rows is not None:
            self._best_rows = torch.where(success[:, None], self._point, self._best_rows)
            self._best_lead = torch.where(success, found.lead, self._best_lead)
            self._search.narrow(seeking, success, found.lead)
            self._search.begin(success & ~seeking, self._clean_lead)
        self._looks = self._looks + seeking
        ended = ~self._found & ~success & (self._iteration == self._settings.iterations)
        self._found = self._found | success
        searched = self._found & (self._looks == self._settings.final_search)
        self.finished = self.finished | searched | ended
        return found.first()

    def step(self, gradient: Tensor) -> Again | None:
        self._boundary.take(self._layout.rows(gradient))
        stepping = ~self._found & ~self.finished
        if not self._aimed.all() and (cotangent := self._boundary.next()) is not None:
            return Again(cotangent, stepping & ~self._targeted)
        self._move(stepping)
        return None

    def result(self, rows: Tensor) -> Candidates:
        images = self._point[rows]
        if self._best_rows is not None:
            images = torch.where(self._found[rows, None], self._best_rows[rows], images)
        return Candidates(self._layout.images(images))

    def _move(self, stepping: Tensor) -> None:
        normal, value = self._boundary.normal, self._boundary.value
        dual = 2 if self._norm is Norm.L2 else 1
        length = torch.linalg.vector_norm(normal, dual, dim=1).clamp_(min=SMALLEST)
        distance = (value.neg().clamp_(min=0) / length + NUDGE)[:, None]
        way = normal / length[:, None] if self._norm is Norm.L2 else normal.sign()
        step = torch.where(stepping[:, None], way * distance, 0).nan_to_num_(0, 0, 0)
        self._moved += step
        point = torch.add(self._original, self._moved, alpha=1 + self._settings.overshoot)
        point.clamp_(0, 1)
        if self._best_rows is not None:
            segment = self._original.lerp(self._best_rows, self._search.look(self._best_lead))
            seeking = self._found & ~self.finished
            point = torch.where(seeking[:, None], segment, point)
        self._point = torch.where(self.finished[:, None], self._point, point)
        self._iteration = self._iteration + stepping
