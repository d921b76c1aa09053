"""Attempts: one stretch of work on a group of cells, written down however it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from harness.plan import Cell
from harness.schedule.progress import Progress
from harness.store.writer import Writer


class Attempts:
    """Opens an attempt for each of ``cells`` and closes them with what became of the work.

    Attributes:
        error: the first thing that went wrong, in one line.
    """

    def __init__(
        self,
        writer: Writer,
        progress: Progress,
        cells: Sequence[Cell],
        *,
        run: int,
        device: str,
        batch_size: int,
    ) -> None:
        self._writer, self._progress, self._label = writer, progress, cells[0].label
        self._started = time.monotonic()
        self._halvings = 0
        self.error: str | None = None
        self._numbers = {
            cell.key: writer.begin_attempt(cell.key, run, device=device, batch_size=batch_size)
            for cell in cells
        }

    @property
    def failed(self) -> bool:
        return self.error is not None

    def of(self, cell: Cell) -> int:
        return self._numbers[cell.key]

    def fail(self, error: str) -> None:
        self.error = self.error or error

    def halved(self, batch_size: int) -> None:
        """The batch size was halved for lack of memory."""
        self._halvings += 1
        self._progress.say(f"{self._label}: out of memory, going on with batches of {batch_size}")

    def __enter__(self) -> Attempts:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        status = "failed" if self.failed else "done"
        if kind is not None:
            status = "interrupted" if issubclass(kind, KeyboardInterrupt) else "failed"
            self.fail(f"{kind.__name__}: {error}")
        for number in self._numbers.values():
            self._writer.finish_attempt(
                number,
                status=status,
                seconds=time.monotonic() - self._started,
                halvings=self._halvings,
                error=self.error if status == "failed" else None,
            )
