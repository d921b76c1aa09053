"""The executor of other processes on this machine: one per device, or per share of the CPU's cores.

A small network keeps few cores busy, and two of them on one core each are done sooner than one
after the other on two. What is computed does not depend on it.
"""

from __future__ import annotations

import itertools
import pickle
import time
from collections import deque
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from signal import SIGKILL, SIGTERM
from socket import gethostname
from tempfile import TemporaryDirectory
from typing import Any

from harness.api import (
    Call,
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
)
from harness.cores import usable_cores
from harness.engine.channel import Channel
from harness.engine.child import Child
from harness.execute.executors.member import Orders, work
from harness.execute.executors.places import Place, places
from harness.execute.journal import last_words

EARLY_DEATHS = 2
"""Workers in a row that may die before they have joined; then none is started in their place."""
KILLED = (-SIGKILL, -SIGTERM)
"""How a process ends that did not do it itself."""


class Processes(Executor):
    """See `Executor`: a process that dies is replaced."""

    def __init__(self, placement: Placement) -> None:
        from harness.engine.device import count_gpus

        super().__init__(placement)
        self._places = places(placement, gpus=count_gpus(), cores=usable_cores())
        self._members: dict[int, _Member] = {}
        self._numbers = itertools.count()
        self._selector = DefaultSelector()
        self._reports = deque[Report]()
        self._folder: TemporaryDirectory[str] | None = None
        self._program, self._environment = b"", dict[str, str]()
        self._end = "none was started"

    def start(self, program: Program, source: Source) -> Started:
        try:
            self._program = pickle.dumps((program, source))
        except Exception as error:
            raise TypeError(f"{type(error).__name__}: {error}") from error
        self._environment = dict(program.environment)
        self._folder = TemporaryDirectory(prefix="harness-")
        for place in self._places:
            self._hire(_Seat(place))
        return Started(len(self._places))

    def submit(self, worker: int, shard: Any) -> None:
        member = self._members.get(worker)
        if member is not None:  # else it is reported as lost
            member.send(pickle.dumps(shard))
            self._listen(member)

    def next(self, timeout: float) -> Report | None:
        until = time.monotonic() + timeout
        while not self._reports:
            if not self._members:
                raise HarnessError(f"no worker is left: {self._end}")
            ready = self._selector.select(max(0.0, until - time.monotonic()))
            for key, events in ready:
                member: _Member = key.data
                if events & EVENT_WRITE:
                    member.channel.flush()
                    self._listen(member)
                if events & EVENT_READ:
                    self._hear(member)
            if not self._reports and time.monotonic() >= until:
                return None
        return self._reports.popleft()

    def dismiss(self, worker: int, reason: str) -> None:
        member = self._members.get(worker)
        if member is not None:
            member.dismissed = reason
            member.child.kill()  # works on a stopped process too

    def close(self) -> None:
        for member in self._members.values():
            member.child.end()  # all of them before the first is waited for
        for member in self._members.values():
            member.child.kill()
            self._selector.unregister(member.child.connection)
        self._members.clear()
        if self._folder is not None:
            self._folder.cleanup()

    def _hire(self, seat: _Seat) -> None:
        assert self._folder is not None
        number = next(self._numbers)
        orders = Orders(
            worker=number,
            device=seat.place.device,
            threads=seat.place.threads,
            journal=Path(self._folder.name, str(number)),
        )
        child = Child(work, name=f"worker {number}", environment=self._environment)
        member = self._members[number] = _Member(number, seat, child, orders.journal)
        self._selector.register(child.connection, EVENT_READ, member)
        member.send(pickle.dumps(orders))
        member.send(self._program)
        self._listen(member)

    def _listen(self, member: _Member) -> None:
        wanted = EVENT_READ | EVENT_WRITE if member.channel.unsent else EVENT_READ
        self._selector.modify(member.child.connection, wanted, member)

    def _hear(self, member: _Member) -> None:
        """Up to one message, or the end, of a process."""
        try:
            message = member.channel.receive()
        except EOFError:
            self._ended(member)
            return
        if message is None:
            return
        report = pickle.loads(message)
        if isinstance(report, Exception):
            raise report
        if isinstance(report, Joined):
            member.joined, member.seat.early_deaths = True, 0
        if isinstance(report, Refused):
            self._end = report.why
            self._leave(member)
        self._reports.append(report)

    def _ended(self, member: _Member) -> None:
        how = self._leave(member)
        reason, call = member.ending(how)
        member.seat.early_deaths += not member.joined
        if member.seat.early_deaths < EARLY_DEATHS:
            self._reports.append(Lost(member.number, reason, call))
            self._hire(member.seat)
        else:
            self._end = f"workers die before they are ready: {reason}"
            self._reports.append(Refused(member.number, gethostname(), self._end))

    def _leave(self, member: _Member) -> str:
        """It is no longer one of us; how its process ended."""
        del self._members[member.number]
        self._selector.unregister(member.child.connection)
        return member.child.kill()


class _Seat:
    """A place, and how many workers in a row have died there before they had joined."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.early_deaths = 0


class _Member:
    """A process that works, or will.

    Attributes:
        dismissed: why it was killed, if it was.
    """

    def __init__(self, number: int, seat: _Seat, child: Child, journal: Path) -> None:
        self.number, self.seat, self.child, self._journal = number, seat, child, journal
        self.channel = Channel(child.connection.fileno())
        self.send = self.channel.send
        self.joined = False
        self.dismissed: str | None = None

    def ending(self, how: str) -> tuple[str, Call | None]:
        """Why it is gone, and the plugin's call that is to blame for it."""
        call, word = last_words(self._journal)
        if self.dismissed is not None:
            return self.dismissed, call
        if self.child.exit_code in KILLED:
            return how, None
        return f"{how}: {word}" if word and not word.startswith("os._exit") else how, call
