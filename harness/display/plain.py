"""Plain lines: for logs, pipes and terminals that cannot be drawn on."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TextIO

from harness.api import ModelRow
from harness.display.base import Display
from harness.display.meter import Clock, Meter
from harness.display.text import (
    counts,
    duration,
    left,
    model_row,
    speed,
    to_do,
    transfer,
    worker,
)
from harness.store.workers import WorkerRow
from harness.terminal import one_line

INTERVAL = 10.0
"""Seconds between two progress lines, at least."""


class PlainDisplay(Display):
    """A line at the start, one now and then, one at the end, and what is said."""

    def __init__(self, stream: TextIO | None = None, clock: Clock = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._meter = Meter(clock)
        self._running = False
        self._label = ""
        self._workers: Sequence[WorkerRow] = ()
        self._shown = 0.0

    def start(self, *, cells: int, images: int) -> None:
        self.finish()  # of an earlier part of the run
        self._meter.start(cells=cells, images=images)
        self._running, self._shown = True, self._clock()
        self._print(to_do(cells, images))

    def say(self, text: str) -> None:
        self._print(one_line(text))

    def cell(self, label: str) -> None:
        self._label = one_line(label)

    def advance(self, *, images: int = 0, cells: int = 0, forwards: int = 0) -> None:
        self._meter.advance(images=images, cells=cells, forwards=forwards)
        if self._clock() - self._shown < INTERVAL:
            return
        self._shown = self._clock()
        now = self._meter.read()
        self._print(f"{counts(now)}, {speed(now)}, {left(now)} left: {self._label}")
        for row in self._workers if len(self._workers) > 1 else ():
            self._print(f"  worker {worker(row, datetime.now(UTC))}")

    def workers(self, rows: Sequence[WorkerRow]) -> None:
        self._workers = rows

    def completed(self, row: ModelRow) -> None:
        self._print(model_row(row))

    def download(self, name: str, done: int, total: int | None) -> None:
        if done != total and name == self._label and self._clock() - self._shown < INTERVAL:
            return
        self._label, self._shown = name, self._clock()
        self._print(f"downloading {one_line(name)}: {transfer(done, total)}")

    def finish(self) -> None:
        if self._running:
            self._running = False
            now = self._meter.read()
            self._print(f"{counts(now)} in {duration(now.elapsed)}")

    def _print(self, line: str) -> None:
        with suppress(BrokenPipeError):  # the work continues without a listener
            # In one piece: observers' threads print meanwhile.
            self._stream.write(f"{line}\n")
            self._stream.flush()
