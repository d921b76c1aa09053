"""Counts, rates over a sliding window, and the time that is left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from harness.api import Progressed

Clock = Callable[[], float]

WINDOW = 30.0
"""Seconds that rates look back."""
_BUCKET = 0.5


class Meter:
    """Counts what is done and measures how fast."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.start(cells=0, images=0)

    def start(self, *, cells: int, images: int) -> None:
        """Begin anew, with these totals."""
        self._cells, self._images = cells, images
        self._cells_done = self._images_done = self._forwards = 0
        self._began = self._clock()
        # [time of the first event, images, forwards], one every _BUCKET seconds at most.
        self._recent: deque[list[float]] = deque()

    def advance(self, *, images: int, cells: int, forwards: int) -> None:
        self._images_done += images
        self._cells_done += cells
        self._forwards += forwards
        now = self._clock()
        if not self._recent or now - self._recent[-1][0] >= _BUCKET:
            self._recent.append([now, 0, 0])
        self._recent[-1][1] += images
        self._recent[-1][2] += forwards

    def read(self) -> Progressed:
        now = self._clock()
        while self._recent and now - self._recent[0][0] > WINDOW:
            self._recent.popleft()
        elapsed = now - self._began
        images_rate = self._rate(1, self._images_done, elapsed)
        left = max(self._images - self._images_done, 0)
        return Progressed(
            cells_done=self._cells_done,
            cells=self._cells,
            images_done=self._images_done,
            images=self._images,
            forwards=self._forwards,
            elapsed=elapsed,
            images_per_second=images_rate,
            forwards_per_second=self._rate(2, self._forwards, elapsed),
            # Cells differ too much for the window's rate to tell what lies ahead.
            remaining=left * elapsed / self._images_done if self._images_done else None,
        )

    def _rate(self, column: int, done: float, elapsed: float) -> float | None:
        """Over the window; over all the time where a long attack has finished nothing in it."""
        if elapsed <= 0:
            return None
        recent = sum(event[column] for event in self._recent)
        return recent / min(elapsed, WINDOW) if recent else done / elapsed
