"""The watchdog: which workers have been silent for so long that they count as hung."""

from __future__ import annotations

import time
from collections.abc import Callable

ABSENT = 5.0
"""After so many seconds in which nobody listened, silence says nothing about the workers.

Such as those of a run that was stopped as a whole, and went on.
"""


class Watchdog:
    """Remembers when each worker was last heard.

    Args:
        silence: seconds after which a worker counts as hung.
    """

    def __init__(self, silence: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.silence, self._clock = silence, clock
        self._heard: dict[int, float] = {}
        self._listened = clock()

    def heard(self, worker: int) -> None:
        self._heard[worker] = self._clock()

    def forget(self, worker: int) -> None:
        self._heard.pop(worker, None)

    def listen(self) -> list[int]:
        """Call it whenever there was a chance to hear workers; those that are hung."""
        now = self._clock()
        absent, self._listened = now - self._listened, now
        if absent > ABSENT:
            self._heard = {worker: at + absent for worker, at in self._heard.items()}
        return [worker for worker, at in self._heard.items() if now - at > self.silence]
