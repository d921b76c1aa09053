"""Attempts: one stretch of work on a group of cells, stored however it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence

from harness.engine.device import describe
from harness.execute.session import Session
from harness.planning import Cell


class Attempts:
    """Opens an attempt for each of ``cells``; `finish` closes them.

    An error that is a cell's own marks that cell's attempt, any other one marks them all.

    Attributes:
        cells: those that it is about.
    """

    def __init__(self, session: Session, cells: Sequence[Cell], *, batch_size: int) -> None:
        self.cells = cells
        self._writer, self._progress = session.writer, session.progress
        self._started = time.monotonic()
        self._halvings = 0
        self._errors: dict[str, str] = {}
        device = describe(session.settings.device)
        self._numbers = {
            cell.key: self._writer.begin_attempt(
                cell.key, session.run, device=device, batch_size=batch_size
            )
            for cell in cells
        }

    @property
    def error(self) -> str | None:
        """The first thing that went wrong, in one line."""
        return next(iter(self._errors.values()), None)

    def of(self, cell_key: str) -> int:
        """The number of the cell's attempt."""
        return self._numbers[cell_key]

    def fail(self, error: str, cell_key: str | None = None) -> None:
        """Note what went wrong, with one cell or with all; only the first of each cell counts."""
        for key in self._numbers if cell_key is None else [cell_key]:
            self._errors.setdefault(key, error)

    def halved(self, batch_size: int) -> None:
        """The batch size was halved because the device was out of memory."""
        self._halvings += 1
        label = self.cells[0].label
        self._progress.say(f"{label}: out of memory, retrying with batch size {batch_size}")

    def finish(self, status: str | None = None, error: str | None = None) -> None:
        """Close them: ``failed`` where something went wrong, else ``done``.

        Args:
            status: of all of them, where the work was broken off; ``error``: why.
        """
        for key, number in self._numbers.items():
            wrong = error or self._errors.get(key)
            self._writer.finish_attempt(
                number,
                status=status or ("failed" if wrong else "done"),
                seconds=time.monotonic() - self._started,
                halvings=self._halvings,
                error=wrong,
            )
