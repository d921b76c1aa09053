"""Torch's threads where other processes want the cores too: only as many as have one to themselves.

Threads that compute together wait for each other after every operation, and OpenMP's spin while
they do. If one of them loses its core for a while, the others spin in vain: a network of many short
operations slows down several times. Fewer threads, each with a core of its own, wait for nobody.
What they compute differs by rounding, as it does between machines.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

SMALL = 3 * 64 * 64
"""Values of an input up to which operations are so short that threads only pay with idle cores."""
WINDOW = 0.25
"""Seconds over which it is seen who has the cores."""
LOST = 0.2
"""Cores that threads were ready to use, and others had: from here on the cores are contended."""
WORKING = 0.1
"""The share of a window for which a thread has to run to be one of those that compute."""
REST, LONGEST_REST = 1.0, 8.0
"""Seconds before all threads are tried again; twice as many after each try that fails."""
TASKS = Path("/proc/self/task")


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds for which a thread ran, and for which it was ready to run but had no core."""

    running: float
    waiting: float


def spent(tasks: Path = TASKS) -> dict[str, Spent]:
    """What each thread of this process has spent; nothing where the system does not say."""
    found = {}
    with suppress(OSError):
        for task in tasks.iterdir():
            with suppress(OSError, ValueError):  # it has just ended
                running, waiting, _ = (task / "schedstat").read_text().split()
                found[task.name] = Spent(int(running) / 1e9, int(waiting) / 1e9)
    return found


class Threads:
    """How many threads to have, found out by looking now and then.

    With all of them, it is seen over a `WINDOW` how many cores they lost to others. If too many,
    there are fewer threads for a while; then all are tried again.

    Args:
        most: how many there are while the cores are idle.

    Attributes:
        count: how many there should be now.
    """

    def __init__(
        self,
        most: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], Mapping[str, Spent]] = spent,
    ) -> None:
        self.most = self.count = most
        self._clock, self._spent = clock, spent
        self._since, self._before = clock(), spent()
        self._rest, self._lost = REST, 0.0

    def look(self, *, small: bool) -> None:
        """See whether `count` is to change for the network at work, which is ``small`` or not."""
        seconds = self._clock() - self._since
        if self._lost and seconds >= self._rest:
            self._rest, self._lost = min(2 * self._rest, LONGEST_REST), 0.0
            self._begin()
        elif not self._lost and seconds >= WINDOW:
            self._lost = self._lost_in(seconds)
            if not self._lost:
                self._rest = REST
            self._begin()
        if not self._lost:
            self.count = self.most
        else:
            self.count = 1 if small else max(1, self.most - math.ceil(self._lost))

    def _begin(self) -> None:
        self._since, self._before = self._clock(), self._spent()

    def _lost_in(self, seconds: float) -> float:
        """Cores lost by the threads that compute, if it is worth mentioning; else 0."""
        lost, nothing = 0.0, Spent(0, 0)
        for name, now in self._spent().items():
            then = self._before.get(name, nothing)
            running = now.running - then.running
            if running >= WORKING * seconds:  # some kernels count the sleep of others as waiting
                lost += min(now.waiting - then.waiting, max(0.0, seconds - running))
        return lost / seconds if lost >= LOST * seconds else 0.0


class _Here(threading.local):
    """Of this thread: what it found out so far, and whether that is in use."""

    threads: Threads | None = None
    active = False


_here = _Here()


@contextmanager
def adapting() -> Iterator[None]:
    """In this thread, passes see to it that torch has no more threads than is good.

    Afterwards there are as many as before. A number that the user has chosen stays.
    """
    most = torch.get_num_threads()
    if _here.active or most == 1 or "OMP_NUM_THREADS" in os.environ:
        yield
        return
    threads = _here.threads
    if threads is None or threads.most != most:
        threads = _here.threads = Threads(most)
    _here.active = True
    torch.set_num_threads(threads.count)
    try:
        yield
    finally:
        _here.active = False
        torch.set_num_threads(most)


def look(values: int) -> None:
    """Before a pass of a network whose inputs have so many ``values``, if `adapting`."""
    threads = _here.threads
    if not _here.active or threads is None:
        return
    before = threads.count
    threads.look(small=values <= SMALL)
    if threads.count != before:
        torch.set_num_threads(threads.count)


def number() -> int:
    """Torch's number of threads, as if `adapting` had reduced it by none."""
    return torch.get_num_threads() + _reduction()


def put(number: int) -> None:
    """Make `number` what it was."""
    torch.set_num_threads(max(1, number - _reduction()))


def _reduction() -> int:
    threads = _here.threads
    return threads.most - threads.count if _here.active and threads is not None else 0
