"""Budgets of passes: those of jobs, and which images of a stepped attack are at theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.api import looks
from harness.engine.device import sent
from harness.engine.jobs import Job

UNBOUNDED = 2**62


def budgets_of(jobs: Sequence[Job]) -> Tensor | None:
    """The jobs' budgets, int64 (n,) on the host; None: none has one."""
    if all(job.budget is None for job in jobs):
        return None
    return torch.tensor([UNBOUNDED if job.budget is None else job.budget for job in jobs])


class SlotBudget:
    """Finds the slots whose budget has no room for what is next, with few looks at the device.

    The host knows what a pass can cost at most, and so until when no image can be at its budget.
    """

    def __init__(self, slots: int, device: torch.device) -> None:
        self._budgets = torch.full((slots,), UNBOUNDED, device=device)
        self._room: NDArray[np.int64] = np.full(slots, UNBOUNDED)

    def begin(self, rows: Tensor, taken: Sequence[int], budgets: Tensor | None) -> None:
        """The slots ``rows``, on the host ``taken``, begin anew with ``budgets`` (n,)."""
        if budgets is None:
            budgets = torch.full((len(taken),), UNBOUNDED)
        self._budgets[rows] = sent(budgets, self._budgets.device)
        self._room[list(taken)] = budgets.numpy()

    def keep(self, rows: Tensor, kept: Sequence[int]) -> None:
        """Shrink to the slots ``rows``, on the host ``kept``, in that order."""
        self._budgets, self._room = self._budgets[rows], self._room[list(kept)]

    def ended(self, made: Tensor, cost: Tensor, most: int, done: Tensor) -> list[bool] | None:
        """Which slots are done or have no room for what is next; None: none is without room.

        Args:
            made: int64 (slots,), the passes so far.
            cost: int64 (slots,), the passes that are next.
            most: no cost is more.
            done: bool (slots,), finished or idle: nothing is next.
        """
        self._room -= most
        if (self._room >= 0).all():
            return None
        room = self._budgets - made - torch.where(done, 0, cost)
        left, ended = looks(room, done | (room < 0))
        self._room = left.numpy().copy()
        found: list[bool] = ended.tolist()
        return found
