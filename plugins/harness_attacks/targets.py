"""The target classes that each slot tries, in their order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import Again, Norm, Point, Slots
from harness_attacks.malt import Malt, largest


class Targets:
    """Orders the classes of newly loaded rows, in a round of their own at the clean images.

    Args:
        count: how many classes a row tries; fewer where there are fewer.
        candidates: how many MALT ranks; None: the largest logits first, without MALT.
        norm: of the attack.

    Attributes:
        count: how many classes a row without a target of its own tries.
        waiting: int64 (n,), on the host: the slots that have no order yet.
    """

    def __init__(self, slots: Slots, norm: Norm, count: int, candidates: int | None) -> None:
        self.count = min(count, slots.classes - 1)
        self._norm = norm
        self._candidates = None if candidates is None else max(candidates, self.count)
        shape = (slots.count, self.count)
        self._order = torch.zeros(shape, dtype=torch.int64, device=slots.device)
        self.waiting: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._malt: Malt | None = None

    def load(
        self, rows: Tensor, classes: Tensor, index: NDArray[np.int64], targeted: NDArray[np.bool_]
    ) -> None:
        """New images in ``rows``, on the host ``index``; ``targeted`` ones have but their class."""
        self._order[rows] = classes[:, None]
        self.waiting = np.union1d(self.waiting, index[~targeted])

    def keep(self, rows: Tensor, index: NDArray[np.int64]) -> None:
        """As `harness.api.Stepper.keep`, with ``rows`` on the host too."""
        self._order = self._order[rows]
        self.waiting = np.flatnonzero(np.isin(index, self.waiting))

    def done(self) -> NDArray[np.int64]:
        """The slots that waited, and wait no more."""
        waited, self.waiting = self.waiting, self.waiting[:0]
        return waited

    def point(self, rows: Tensor, originals: Tensor) -> Point:
        """A look at the ``originals`` (n, channels, height, width) of the waiting ``rows``."""
        malt = self._candidates is not None
        return Point(originals, gradient=malt, rows=rows, again=malt)

    def observe(self, logits: Tensor, rows: Tensor, labels: Tensor) -> Tensor | None:
        """The first cotangent of MALT; None: all is known without it."""
        if self._candidates is None:
            self._order[rows] = largest(logits, labels, self.count)
            return None
        self._malt = Malt(logits, labels, self._norm, self._candidates)
        return self._malt.cotangent()

    def step(self, gradient: Tensor, rows: Tensor) -> Again | None:
        """None: the ``rows`` have their order."""
        assert self._malt is not None
        self._malt.take(gradient)
        if not self._malt.done:
            return Again(self._malt.cotangent())
        self._order[rows] = self._malt.targets(self.count)
        self._malt = None
        return None

    def at(self, rows: Tensor, places: Tensor) -> Tensor:
        """The classes at these places of the order, (n,)."""
        return self._order[rows, places]
