"""JSON lines: one object per event, for programs that watch a run."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TextIO

from harness.display.base import Display
from harness.display.meter import Clock, Meter
from harness.execute.progress import ModelRow
from harness.store.workers import WorkerRow

INTERVAL = 1.0
"""Seconds between two ``progress`` events, at least; a finished cell is told at once."""


class JsonDisplay(Display):
    """Events ``download``, ``start``, ``say``, ``cell``, ``progress``, ``workers``, ``model`` and
    ``finish``."""

    def __init__(self, stream: TextIO | None = None, clock: Clock = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._meter = Meter(clock)
        self._running = False
        self._told = 0.0
        self._file = ""

    def start(self, *, cells: int, images: int) -> None:
        self.finish()  # of an earlier part of the run
        self._meter.start(cells=cells, images=images)
        self._running, self._told = True, self._clock()
        self._tell("start", cells=cells, images=images)

    def say(self, text: str) -> None:
        self._tell("say", text=text)

    def completed(self, row: ModelRow) -> None:
        infinite = row.median == math.inf  # JSON has no infinity
        median = None if infinite else row.median
        self._tell("model", **asdict(row) | {"median": median, "median_infinite": infinite})

    def cell(self, label: str) -> None:
        self._tell("cell", label=label)

    def advance(self, *, images: int = 0, cells: int = 0, forwards: int = 0) -> None:
        self._meter.advance(images=images, cells=cells, forwards=forwards)
        if cells or self._clock() - self._told >= INTERVAL:
            self._told = self._clock()
            self._tell("progress", **asdict(self._meter.read()))

    def workers(self, rows: Sequence[WorkerRow]) -> None:
        self._tell("workers", workers=[asdict(row) for row in rows])

    def download(self, name: str, done: int, total: int | None) -> None:
        if done == total or name != self._file or self._clock() - self._told >= INTERVAL:
            self._file, self._told = name, self._clock()
            self._tell("download", name=name, bytes=done, total=total)

    def finish(self) -> None:
        if self._running:
            self._running = False
            self._tell("finish", **asdict(self._meter.read()))

    def _tell(self, event: str, **facts: Any) -> None:
        with suppress(BrokenPipeError):  # the work continues without a listener
            print(json.dumps({"event": event, **facts}), file=self._stream, flush=True)
