"""JSON lines: one object per event, for programs that watch a run."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TextIO

from harness.api import Event, RunFinished
from harness.display.meter import Clock
from harness.display.teller import INTERVAL, Teller
from harness.store.workers import WorkerRow


class JsonDisplay(Teller):
    """The events that observers are told, and ``download``, ``workers`` and ``finish``."""

    wants_summary = True

    def __init__(self, stream: TextIO | None = None, clock: Clock = time.monotonic) -> None:
        super().__init__(self._print_event, clock)
        self._stream = sys.stderr if stream is None else stream
        self._running = False
        self._file = ""

    def start(self, *, cells: int, images: int) -> None:
        self.finish()  # of an earlier part of the run
        self._running = True
        super().start(cells=cells, images=images)

    def workers(self, rows: Sequence[WorkerRow]) -> None:
        self._print("workers", workers=[asdict(row) for row in rows])

    def download(self, name: str, done: int, total: int | None) -> None:
        if done == total or name != self._file or self._clock() - self._told >= INTERVAL:
            self._file, self._told = name, self._clock()
            self._print("download", name=name, bytes=done, total=total)

    def ended(self, run: RunFinished) -> None:
        self.finish()
        super().ended(run)

    def finish(self) -> None:
        if self._running:
            self._running = False
            self._print("finish", **asdict(self._meter.read()))

    def _print_event(self, event: Event) -> None:
        self._print(**event.record())

    def _print(self, event: str, **facts: Any) -> None:
        with suppress(BrokenPipeError):  # the work continues without a listener
            # In one piece: observers' threads print meanwhile.
            self._stream.write(json.dumps({"event": event, **facts}) + "\n")
            self._stream.flush()
