"""The nearest adversarial query of each image, among all that an attack made of the model.

The host keeps them beside the attack, on the device and without a look. They are candidates like
what the attack returns: `judge_with_best` judges them, with the harness's own forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from harness.api import (
    TRACE_PASSES,
    Batch,
    BestQuery,
    Candidates,
    Norm,
    Passes,
    Status,
    looks,
    succeeded,
)
from harness.engine.classifier import PixelClassifier
from harness.engine.device import runs_ahead, sent
from harness.engine.jobs import Job, Judged
from harness.engine.judge import BUDGET_TOLERANCE, Declared, judge

_ROUNDING = torch.finfo(torch.float32).eps / 2
"""How far the nearest float32 to a pixel on the face of a linf ball may be beyond it."""


PIXELS = (1, 2, 3)
"""The dimensions of an image in a batch."""
ORDERS = {Norm.L2: 2, Norm.L1: 1}


@dataclass(frozen=True, slots=True)
class Found:
    """Best queries, one row each, on the device.

    Attributes:
        images: float32 (n, channels, height, width).
        distance: float32 (n,), in the attack's norm; inf where no query was adversarial.
        passes: int64 (n,), those that had been made for the image, the query's forward included.
        trace: float32 (n, `TRACE_PASSES`), the distance of the best within so many passes.
    """

    images: Tensor
    distance: Tensor
    passes: Tensor
    trace: Tensor

    def rows(self, rows: Tensor | slice) -> Found:
        """Those of ``rows`` (int64)."""
        return Found(*(each[rows] for each in self._parts))

    @staticmethod
    def joined(found: Sequence[Found]) -> Found:
        """All of them, one after the other."""
        parts = zip(*(one._parts for one in found), strict=True)
        return Found(*(torch.cat(each) for each in parts))

    @property
    def _parts(self) -> tuple[Tensor, ...]:
        return self.images, self.distance, self.passes, self.trace


class BestQueries:
    """Sees every query of ``rows`` images and keeps each one's best: one image a row of memory.

    A query is adversarial if it reaches the row's goal by the logits that the attack is given, lies
    in [0, 1] and, where the attack declares a budget, within it.
    """

    def __init__(self, attack: Declared, model: PixelClassifier, rows: int) -> None:
        def vector(dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(rows, dtype=dtype, device=model.device)

        shape, form = (rows, *model.shape), model.memory_format
        self._norm, self._budget = attack.norm, attack.budget
        self._waits = not runs_ahead(model.device)
        self._original = torch.zeros(shape, device=model.device).contiguous(memory_format=form)
        self._images = self._original.clone(memory_format=torch.preserve_format)
        self._classes, self._targeted = vector(torch.int64), vector(torch.bool)
        self._distance, self._passes = vector(), vector(torch.int64)
        self._counts = sent(torch.tensor(TRACE_PASSES), model.device)
        self._trace = torch.zeros((rows, len(TRACE_PASSES)), device=model.device)

    @property
    def found(self) -> Found:
        """All rows as they are; what is seen later changes it."""
        return Found(self._images, self._distance, self._passes, self._trace)

    def load(self, rows: Tensor, batch: Batch) -> None:
        """Begin anew with the images of ``batch`` in the slots ``rows`` (int64)."""
        self._original[rows] = self._images[rows] = batch.images
        self._classes[rows], self._targeted[rows] = batch.classes, batch.targeted
        self._distance[rows], self._trace[rows] = torch.inf, torch.inf
        self._passes[rows] = 0

    def keep(self, rows: Tensor) -> None:
        """Shrink to the slots ``rows`` (int64), in that order."""
        self._original, self._images = self._original[rows], self._images[rows]
        self._classes, self._targeted = self._classes[rows], self._targeted[rows]
        self._distance, self._passes = self._distance[rows], self._passes[rows]
        self._trace = self._trace[rows]

    @torch.no_grad()
    def see(
        self,
        images: Tensor,
        logits: Tensor,
        passes: Tensor,
        *,
        rows: Tensor | None = None,
        counting: Tensor | None = None,
    ) -> None:
        """Queries and their ``logits``; they may be overwritten afterwards.

        Args:
            passes: int64 (slots,), made for each row so far, those of these queries included.
            rows: int64, whose each image is, a row's several times too; None: one for each row.
            counting: bool (slots,), the rows whose queries count; None: all.
        """
        images = images.detach()
        classes = self._classes if rows is None else self._classes[rows]
        targeted = self._targeted if rows is None else self._targeted[rows]
        won = succeeded(logits, classes, targeted)
        if counting is not None:
            won = won & (counting if rows is None else counting[rows])
        if self._waits:  # where a look costs nothing, nothing is done for queries that do not count
            taken = won.nonzero().squeeze(1)
            if not len(taken):
                return
            if len(taken) < len(won):
                rows = taken if rows is None else rows[taken]
                images, won = images[taken], won[taken]
        original = self._original if rows is None else self._original[rows]
        distance = torch.where(won & _inside(images), self._far(images - original), torch.inf)
        if self._budget is not None:
            slack = _ROUNDING if self._norm is Norm.LINF else 0.0
            allowed = self._budget * (1 + BUDGET_TOLERANCE) + slack
            distance = torch.where(distance <= allowed, distance, torch.inf)
        if rows is not None:
            images, distance = self._nearest(images, distance, rows)
        self._take(images, distance, passes)

    def _take(self, images: Tensor, distance: Tensor, passes: Tensor) -> None:
        """A query of each row at ``distance``, inf or NaN where there is none."""
        better = distance < self._distance
        if self._waits:
            index = better.nonzero().squeeze(1)
            self._images[index] = images[index]
        else:
            torch.where(better[:, None, None, None], images, self._images, out=self._images)
        self._distance = torch.where(better, distance, self._distance)
        self._passes = torch.where(better, passes, self._passes)
        due = self._counts >= self._passes[:, None]
        now = torch.where(due, self._distance[:, None], torch.inf)
        self._trace = torch.minimum(self._trace, now)

    def _nearest(self, images: Tensor, distance: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest of each row's queries, and its distance: those of all rows."""
        distance = torch.where(distance.isnan(), torch.inf, distance)
        slots, count = len(self._distance), len(distance)
        nearest = torch.full_like(self._distance, torch.inf)
        nearest = nearest.scatter_reduce(0, rows, distance, "amin")
        numbers = torch.arange(count, device=rows.device)
        first = torch.where(distance == nearest[rows], numbers, count - 1)
        index = torch.full((slots,), count - 1, device=rows.device)
        return images[index.scatter_reduce(0, rows, first, "amin")], nearest

    def _far(self, difference: Tensor) -> Tensor:
        """The norm of each row."""
        if self._norm is Norm.LINF:  # many times faster than its norm
            return torch.maximum(difference.amax(PIXELS), -difference.amin(PIXELS))
        if self._norm is Norm.L0:
            return (difference != 0).sum(PIXELS).float()
        far: Tensor = torch.linalg.vector_norm(difference, ORDERS[self._norm], PIXELS)
        return far


def _inside(images: Tensor) -> Tensor:
    """bool (n,): all pixels are in [0, 1]; a NaN is not."""
    return (images.amin(PIXELS) >= 0) & (images.amax(PIXELS) <= 1)


class Judging(Protocol):
    """`judge_with_best` of some model and declaration."""

    def __call__(
        self,
        jobs: Sequence[Job],
        candidates: Candidates,
        *,
        passes: Sequence[Passes],
        flags: Mapping[str, Sequence[bool]],
        best: Found | None,
    ) -> list[Judged]: ...


def judge_with_best(
    model: PixelClassifier,
    attack: Declared,
    jobs: Sequence[Job],
    candidates: Candidates,
    *,
    passes: Sequence[Passes],
    flags: Mapping[str, Sequence[bool]],
    best: Found | None,
    eight_bit: bool = False,
) -> list[Judged]:
    """`judge`, and the same verdict on the ``best`` query of each image, where they were kept.

    A best query that is the candidate itself has its verdict; the others cost a forward pass.
    """
    judged = judge(model, attack, jobs, candidates, passes=passes, flags=flags, eight_bit=eight_bit)
    if best is None:
        return judged
    device = best.images.device
    same = (best.images == candidates.images.to(device)).flatten(1).all(1)
    distances, found, traces, equal = looks(best.distance, best.passes, best.trace, same)
    others = (~equal & distances.isfinite()).nonzero().squeeze(1)
    again = {}
    if len(others):
        images = Candidates(best.images[sent(others, device)])
        verdicts = judge(model, attack, [jobs[row] for row in others.tolist()], images)
        again = dict(zip(others.tolist(), verdicts, strict=True))
    rows = zip(judged, distances.tolist(), found.tolist(), traces.tolist(), strict=True)
    return [
        replace(
            each,
            outcome=replace(
                each.outcome,
                best_query=_record(attack, again.get(row, each), distance, made, trace),
            ),
        )
        for row, (each, distance, made, trace) in enumerate(rows)
    ]


def _record(
    attack: Declared, judged: Judged, distance: float, passes: int, trace: Sequence[float]
) -> BestQuery:
    """The best query with the harness's own verdict and distance, where there is one."""
    if math.isinf(distance):
        return BestQuery(status=Status.ROBUST)
    outcome = judged.outcome
    return BestQuery(
        status=outcome.status,
        distance=getattr(outcome.norms, attack.norm),
        passes=passes,
        trace=_shortened(trace[: 1 + sum(count < passes for count in TRACE_PASSES)]),
    )


def _shortened(trace: Sequence[float]) -> tuple[float | None, ...]:
    """As it is stored: float32 has no more than six digits to tell."""
    return tuple(None if math.isinf(each) else float(f"{each:.6g}") for each in trace)
