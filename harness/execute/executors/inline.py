"""The executor of this process: one worker, which continues when its next report is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from socket import gethostname
from typing import Any

from harness.api import (
    Done,
    Executor,
    HarnessError,
    Joined,
    Lost,
    Placement,
    Program,
    Refused,
    Report,
    Source,
    Started,
    Watch,
    Work,
    Yielded,
)
from harness.contained import cause
from harness.engine.device import count_gpus
from harness.execute.executors.places import single

WORKER = 0
"""The number of the only worker."""


class Inline(Executor):
    """See `Executor`. It has no heartbeat: where its worker hangs, so does the driver.

    Args:
        watch: is told what the worker is at; its `ask` is this executor's to answer.
    """

    def __init__(self, placement: Placement, watch: Watch) -> None:
        super().__init__(placement)
        self._device = single(placement, count_gpus())
        self._watch = watch
        self._work: Work | None = None
        self._events: Generator[Any, None, None] | None = None
        self._reports = deque[Report]()

    def start(self, program: Program, source: Source) -> Started:
        try:
            self._work = program.open(self._device, _Here(self._watch, source))
        except Exception as error:
            why = cause("the worker's start", error)
            self._reports.append(Refused(WORKER, gethostname(), why))
        else:
            self._reports.append(Joined(WORKER, gethostname(), self._work.device))
        return Started(1)

    def submit(self, worker: int, shard: Any) -> None:
        assert self._work is not None
        self._events = self._work.do(shard)

    def next(self, timeout: float) -> Report | None:
        if self._reports:
            return self._reports.popleft()
        if self._work is None:
            raise HarnessError("no worker is left")
        if self._events is None:
            return None  # and nothing will be reported before the next shard
        try:
            return Yielded(WORKER, next(self._events))
        except StopIteration:
            self._events = None
            return Done(WORKER)

    def dismiss(self, worker: int, reason: str) -> None:
        self.close()
        self._reports.append(Lost(WORKER, reason))

    def close(self) -> None:
        events, self._events = self._events, None
        work, self._work = self._work, None
        if events is not None:
            events.close()
        if work is not None:
            work.__exit__(None, None, None)


class _Here:
    """The run's watch, and a source that answers at once."""

    def __init__(self, watch: Watch, source: Source) -> None:
        self.call, self.idle, self.beat = watch.call, watch.idle, watch.beat
        self.ask = source
