"""Attempts: one stretch of work on a group of cells, stored however it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence

from harness.execute.session import Session
from harness.planning import Cell


class Attempts:
    """Opens an attempt for each of ``cells``; `finish` closes them.

    An error that is a cell's own marks that cell's attempt, any other one marks them all.

    Args:
        device: what computes, in words.

    Attributes:
        cells: those that it is about.
    """

    def __init__(
        self, session: Session, cells: Sequence[Cell], *, device: str, batch_size: int
    ) -> None:
        self.cells = cells
        self._writer, self._progress = session.writer, session.progress
        self._seconds, self._since = 0.0, time.monotonic()
        self.working = True
        self._halvings, self._told = 0, False
        self._errors: dict[str, str] = {}
        self._numbers = {
            cell.key: self._writer.begin_attempt(
                cell.key,
                session.run,
                device=device,
                batch_size=batch_size,
                code=session.codes.get(cell.key),
            )
            for cell in cells
        }

    @property
    def error(self) -> str | None:
        """The first thing that went wrong, in one line."""
        return next(iter(self._errors.values()), None)

    def complaint(self) -> str | None:
        """The `error`, once."""
        told, self._told = self._told, self._told or bool(self._errors)
        return None if told else self.error

    def pause(self) -> None:
        """Their worker does something else, or nothing."""
        if self.working:
            self._seconds += time.monotonic() - self._since
        self.working = False

    def resume(self) -> None:
        """Their worker is at them again."""
        if not self.working:
            self._since, self.working = time.monotonic(), True

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
        self.pause()
        for key, number in self._numbers.items():
            wrong = error or self._errors.get(key)
            self._writer.finish_attempt(
                number,
                status=status or ("failed" if wrong else "done"),
                seconds=self._seconds,
                halvings=self._halvings,
                error=wrong,
            )
