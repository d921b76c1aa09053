"""What a run tells its display, as events: for programs that watch it, and for observers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from harness.api import (
    CellStarted,
    Event,
    ModelRow,
    RunFinished,
    RunStarted,
    Said,
    WorkPending,
)
from harness.display.base import Display
from harness.display.meter import Clock, Meter

INTERVAL: Final = 1.0
"""Seconds between two `Progressed` events, at least; a finished cell is told at once."""


class Teller(Display):
    """Makes events of what it is told, and passes each on to ``tell``."""

    def __init__(self, tell: Callable[[Event], None], clock: Clock = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._meter = Meter(clock)
        self._told = 0.0

    def began(self, run: RunStarted) -> None:
        self._tell(run)

    def start(self, *, cells: int, images: int) -> None:
        self._meter.start(cells=cells, images=images)
        self._told = self._clock()
        self._tell(WorkPending(cells, images))

    def say(self, text: str) -> None:
        self._tell(Said(text))

    def completed(self, row: ModelRow) -> None:
        self._tell(row)

    def cell(self, label: str) -> None:
        self._tell(CellStarted(label))

    def advance(self, *, images: int = 0, cells: int = 0, forwards: int = 0) -> None:
        self._meter.advance(images=images, cells=cells, forwards=forwards)
        if cells or self._clock() - self._told >= INTERVAL:
            self._told = self._clock()
            self._tell(self._meter.read())

    def ended(self, run: RunFinished) -> None:
        self._tell(run)
