"""Attempts: one stretch of work on a group of cells, written down however it ends."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from harness.errors import HarnessError
from harness.execute.progress import Progress
from harness.execute.recorder import Recorder
from harness.planning import Cell


class Attempts:
    """Opens an attempt for each of ``cells`` and closes them with what became of the work.

    An error that is a cell's own marks that cell's attempt, any other one marks them all.
    """

    def __init__(
        self,
        writer: Recorder,
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
        self._errors: dict[str, str] = {}
        self._numbers = {
            cell.key: writer.begin_attempt(cell.key, run, device=device, batch_size=batch_size)
            for cell in cells
        }

    @property
    def error(self) -> str | None:
        """The first thing that went wrong, in one line."""
        return next(iter(self._errors.values()), None)

    def of(self, cell: Cell) -> int:
        return self._numbers[cell.key]

    def fail(self, error: str, cell: Cell | None = None) -> None:
        """Note what went wrong, with ``cell`` or with all; only the first of each cell counts."""
        for key in self._numbers if cell is None else [cell.key]:
            self._errors.setdefault(key, error)

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
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        if kind is not None and not interrupted:
            self.fail(f"{kind.__name__}: {error}")
        for key, number in self._numbers.items():
            failure = self._errors.get(key)
            status = "interrupted" if interrupted else "failed" if failure else "done"
            self._writer.finish_attempt(
                number,
                status=status,
                seconds=time.monotonic() - self._started,
                halvings=self._halvings,
                error=failure,
            )


def failure(error: Exception) -> str:
    """One line of what ended the work on a cell; what nobody foresaw says where it was raised."""
    if isinstance(error, HarnessError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    return " ".join(f"{type(error).__name__}: {error} ({place})".split())
