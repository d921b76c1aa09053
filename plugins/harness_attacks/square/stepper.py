"""The stepper behind the Square attack: random search, a query and its random numbers each round.

Andriushchenko et al. 2020, Algorithm 1. What a query changes is told by `Proposals`, one class
for each norm.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Batch, Candidates, Point, Slots, Stepper, looks
from harness_attacks.drawn import places
from harness_attacks.margin import Margin


class Proposals(ABC):
    """The changes that queries try, from numbers that were drawn when the image was loaded.

    Attributes:
        start_numbers, query_numbers: how many numbers the start of a run and a query take.
    """

    start_numbers: int
    query_numbers: int

    @abstractmethod
    def starts(self, noise: Tensor) -> Tensor:
        """int16 (n, start_numbers), from as many standard normal numbers."""

    @abstractmethod
    def draws(self, noise: Tensor) -> Tensor:
        """int16 (n, queries, query_numbers), for a run, from as many standard normal numbers."""

    @abstractmethod
    def start(self, original: Tensor, numbers: Tensor) -> Tensor:
        """The images that a run starts from; ``numbers`` (n, start_numbers)."""

    @abstractmethod
    def propose(
        self, original: Tensor, best: Tensor, numbers: Tensor, query: Tensor, out: Tensor
    ) -> None:
        """Write the images to try after ``best`` into ``out``; ``numbers`` (n, query_numbers)."""


class SquareStepper(Stepper):
    """A forward pass a round. A query is kept if the loss falls, or if it breaks the image.

    The random numbers of all queries are drawn at load: a run's are its own draw, so a further run
    changes nothing about those before it.

    Args:
        queries: the most that a run makes.
    """

    def __init__(self, slots: Slots, proposals: Proposals, *, queries: int, runs: int) -> None:
        def images() -> Tensor:
            shape, form = (slots.count, *slots.shape), slots.memory_format
            return torch.zeros(shape, device=slots.device).contiguous(memory_format=form)

        def numbers(*shape: int, dtype: torch.dtype) -> Tensor:
            return torch.zeros((slots.count, *shape), dtype=dtype, device=slots.device)

        self._squares, self._queries, self._runs = proposals, queries, runs
        self._original, self._best, self._point = images(), images(), images()
        self._classes = numbers(dtype=torch.int64)
        self._targeted = numbers(dtype=torch.bool)
        self._query = numbers(dtype=torch.int64)
        self._loss = numbers(dtype=torch.float32)
        self.finished = ~numbers(dtype=torch.bool)
        start, each = self._squares.start_numbers, self._squares.query_numbers
        self._starts = numbers(self._runs, start, dtype=torch.int16)
        self._draws = numbers(self._runs * self._queries, each, dtype=torch.int16)
        self._round: NDArray[np.int64] = np.zeros(slots.count, dtype=np.int64)
        self._aimed: NDArray[np.bool_] = np.zeros(slots.count, dtype=bool)

    def load(self, rows: Tensor, batch: Batch) -> None:
        self._original[rows] = batch.images
        self._classes[rows], self._targeted[rows] = batch.classes, batch.targeted
        self._query[rows] = 0
        self._loss[rows] = torch.inf
        self.finished[rows] = False
        index, targeted = (each.numpy() for each in looks(rows, batch.targeted))
        self._round[index], self._aimed[index] = 0, targeted
        starts, draws = zip(*(self._drawn(batch, run) for run in range(self._runs)), strict=True)
        self._starts[rows] = torch.stack(starts, 1)
        self._draws[rows] = torch.cat(draws, 1)
        first = self._squares.start(batch.images, starts[0])
        self._best[rows], self._point[rows] = first, first

    def _drawn(self, batch: Batch, run: int) -> tuple[Tensor, Tensor]:
        """The numbers of a run: of its start, and of its queries."""
        start, each = self._squares.start_numbers, self._squares.query_numbers
        noise = batch.noise(run, (start + self._queries * each,))
        queries = noise[:, start:].view(-1, self._queries, each)
        return self._squares.starts(noise[:, :start]), self._squares.draws(queries)

    def point(self) -> Point:
        return Point(self._point, gradient=False)

    def observe(self, logits: Tensor) -> None:
        margin = Margin(logits, self._classes, self._targeted)
        loss = margin.value.neg()
        if self._aimed.any():  # the cross-entropy takes longer than all else here
            own = logits.gather(1, self._classes[:, None]).squeeze(1)
            loss = torch.where(self._targeted, logits.logsumexp(1) - own, loss)
        active = ~self.finished
        broken = margin.success(0)
        better = (loss < self._loss).logical_or_(broken).logical_and_(active)
        self._loss = torch.where(better, loss, self._loss)
        torch.where(better[:, None, None, None], self._point, self._best, out=self._best)
        self._query += active
        self._round += 1
        self.finished |= broken.logical_and_(active)
        self.finished |= self._query == self._queries * self._runs
        self._propose()

    def _propose(self) -> None:
        query = self._query.clamp(max=self._queries * self._runs - 1)
        within = query if self._runs == 1 else query % self._queries
        numbers = _at(self._draws, query)
        self._squares.propose(self._original, self._best, numbers, within, self._point)
        if (self._round % self._queries == 0).any():  # a row may be at the start of a run
            starting, run = within == 0, query // self._queries
            start = self._squares.start(self._original, _at(self._starts, run))
            torch.where(starting[:, None, None, None], start, self._point, out=self._point)
            self._loss = torch.where(starting, torch.inf, self._loss)

    def step(self, gradient: Tensor) -> None:
        raise NotImplementedError("the attack asks for no gradient")

    def result(self, rows: Tensor) -> Candidates:
        return Candidates(self._best[rows])


class Windows:
    """Squares as masks, looked up: for every side that a run has, and every place.

    Args:
        sides: of each query of a run.
    """

    def __init__(self, slots: Slots, sides: Sequence[int]) -> None:
        kinds = sorted(set(sides))
        self.sides, self.kinds = (
            torch.tensor(values).to(slots.device, non_blocking=True)
            for values in (sides, [kinds.index(side) for side in sides])
        )
        self._extents = slots.shape[1:]
        self._tables = [self._table(extent, kinds, slots.device) for extent in self._extents]

    @staticmethod
    def _table(extent: int, kinds: Sequence[int], device: torch.device) -> Tensor:
        """bool (kinds * extent, extent): whether a place is inside, by kind and first place."""
        every = torch.arange(extent)
        places = every - every[:, None]
        inside = [(places >= 0) & (places < side) for side in kinds]
        return torch.cat(inside).to(device, non_blocking=True)

    def draws(self, noise: Tensor) -> Tensor:
        """int16 (n, queries, 2), for `masks`, from as many standard normal numbers."""
        found = [
            places(noise[..., axis], extent - self.sides) + self.kinds * extent
            for axis, extent in enumerate(self._extents)
        ]
        return torch.stack(found, -1).to(torch.int16)

    def masks(self, down: Tensor, across: Tensor) -> Tensor:
        """bool (n, 1, height, width), of what was drawn."""
        rows, columns = self._tables
        return (rows.index_select(0, down)[:, :, None] & columns.index_select(0, across)[:, None])[
            :, None
        ]


def _at(table: Tensor, index: Tensor) -> Tensor:
    """Each row's entry ``index`` (n,) of ``table`` (n, entries, numbers), as int64."""
    numbers = table.shape[2]
    return table.gather(1, index[:, None, None].expand(-1, 1, numbers)).squeeze(1).long()
