"""A model's turn in another process: what is left of it, whatever becomes of that process."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from harness.engine.workers import TRIES
from harness.execute.recorder import Recorder


class Turn:
    """The images of a model's cells that have yet to be computed.

    Args:
        todo: the images to compute, by the key of the model's cells.

    Attributes:
        left: those whose result is not stored.
        computed: images whose result was stored.
        lost: processes that died of it; ``reason`` says how.
    """

    def __init__(self, model: str, todo: Mapping[str, Sequence[str]], run: int) -> None:
        self.model, self._run = model, run
        self.left = {key: list(ids) for key, ids in todo.items()}
        self.computed = self.lost = 0
        self.reason = ""
        self._open: dict[int, _Attempt] = {}

    def note(self, message: tuple[Any, ...], returned: Any) -> None:
        """Hear what the process asked of the recorder, and what that returned."""
        kind, name, given, _ = message
        if kind != "ask":
            return
        if name == "begin_attempt":
            self._open[returned] = _Attempt(given[0])
        elif name == "finish_attempt":
            del self._open[given[0]]
        elif name.startswith("write_"):
            attempt, rows, *_ = given
            stored = {row.image_id for row in rows}
            cell = self._open[attempt].cell
            self.left[cell] = [image for image in self.left[cell] if image not in stored]
            self.computed += len(rows)

    def broken_off(self, to: Recorder, ended: str) -> bool:
        """Its process died: close what it left open; whether another process is to go on.

        The second time all that is left fails.
        """
        self.lost += 1
        final = self.lost == TRIES
        self.reason = f"its process ended{' twice' if final else ''} ({ended})"
        for number, attempt in self._open.items():
            self._close(to, number, attempt, "failed" if final else "interrupted")
        begun = {attempt.cell for attempt in self._open.values()}
        self._open.clear()
        for cell in [cell for cell, ids in self.left.items() if final and ids]:
            if cell not in begun:
                number = to.begin_attempt(cell, self._run, device="", batch_size=0)
                self._close(to, number, _Attempt(cell), "failed")
        return not final

    def _close(self, to: Recorder, number: int, attempt: _Attempt, status: str) -> None:
        seconds = time.monotonic() - attempt.began
        to.finish_attempt(number, status=status, seconds=seconds, halvings=0, error=self.reason)


class _Attempt:
    def __init__(self, cell: str) -> None:
        self.cell, self.began = cell, time.monotonic()
