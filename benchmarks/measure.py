"""What the benchmarks share: interleaved repetitions, medians, peak memory, the load."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SLICE_SECONDS = 1.0
"""How long a case goes on before the next one has its turn."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of each repetition, and the largest resident memory (MiB) over all of them."""

    seconds: list[float]
    peak_mib: float

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """(largest - smallest) / median."""
        return (max(self.seconds) - min(self.seconds)) / self.median


def interleaved(
    cases: Mapping[str, Callable[[], Iterator[object]]], *, repeats: int
) -> dict[str, Measured]:
    """Run every case ``repeats`` times, slice by slice in turn.

    A case yields about once a second, and the next one goes on: what slows the machine for a while
    slows all cases alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    peaks = dict.fromkeys(cases, 0.0)
    for _ in range(repeats):
        running = {name: case() for name, case in cases.items()}
        spent = dict.fromkeys(cases, 0.0)
        while running:
            for name in list(running):
                _forget_peak()
                start = time.perf_counter()
                try:
                    next(running[name])
                except StopIteration:
                    del running[name]
                spent[name] += time.perf_counter() - start
                peaks[name] = max(peaks[name], _peak_mib())
        for name, value in spent.items():
            seconds[name].append(value)
    return {name: Measured(seconds[name], peaks[name]) for name in cases}


@dataclass
class Passes:
    """Image passes through the network."""

    forwards: int = 0
    backwards: int = 0


class Turns:
    """Lets blocking work take turns: `sliced` runs it, and it calls `breathe` often.

    Attributes:
        passes: those of the work whose turn it is.
    """

    def __init__(self) -> None:
        self.passes = Passes()
        self._resumed = 0.0
        self._inside = False

    def sliced(self, work: Callable[[], object], passes: Passes) -> Iterator[None]:
        """Runs ``work`` in slices of about a second, all in this thread, and counts its passes."""
        from greenlet import greenlet

        task = greenlet(work)
        while not task.dead:
            self._resumed, self._inside, self.passes = time.perf_counter(), True, passes
            task.switch()
            self._inside = False
            yield

    def breathe(self) -> None:
        """Give the turn away if the slice is over; nothing outside `sliced`."""
        if self._inside and time.perf_counter() - self._resumed >= SLICE_SECONDS:
            from greenlet import getcurrent

            getcurrent().parent.switch()


def ratio(over: Measured, under: Measured) -> float:
    """The median of the paired ratios, repetition by repetition."""
    return statistics.median(a / b for a, b in zip(over.seconds, under.seconds, strict=True))


def load_line() -> str:
    """How busy the machine is besides us."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    verdict = "quiet" if load <= cores + 0.5 else "BUSY: do not trust the ratios"
    return f"load {load:.1f} on {cores} cores ({verdict})"


class Presence:
    """How much of its threads' time the process was given since this was made.

    Unlike the machine's load it is about us alone: others on other cores take nothing away.
    """

    def __init__(self, threads: int) -> None:
        self._threads, self._wall, self._own = threads, time.perf_counter(), time.process_time()

    def __str__(self) -> str:
        wall = time.perf_counter() - self._wall
        share = (time.process_time() - self._own) / wall / self._threads
        verdict = "quiet" if share >= 0.97 else "BUSY: do not trust the ratios"
        return f"{share:.1%} of the time of {self._threads} threads was ours ({verdict})"


def _forget_peak() -> None:
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")  # resets VmHWM


def _peak_mib() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
