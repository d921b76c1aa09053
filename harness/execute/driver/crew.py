"""The crew: the workers of a run as the driver knows them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.api import Alive, Call, Executor, Joined, Lost, PluginError, Refused
from harness.execute.driver.watchdog import Watchdog

STARTING = 300.0
"""Seconds of silence before a worker has joined: what it imports may let nothing else run."""
LISTEN = 1.0
"""Seconds between looks at what nobody reports, such as a worker that hangs."""


@dataclass(slots=True)
class Member:
    """A worker.

    Attributes:
        number: its own within the run; ``host`` and ``device``: where it is.
        model, task: what it is at; None: it waits. ``ready``: the model is loaded.
        images: how many it has done.
        joined, heard: when it did, and when it last said anything, in seconds of `time.time`.
        call: the plugin's call that it is in, as far as it is known.
        ended: how it was lost; None: it was not.
    """

    number: int
    host: str
    device: str
    model: str | None = None
    task: str | None = None
    ready: bool = False
    images: int = 0
    joined: float = field(default_factory=time.time)
    heard: float = field(default_factory=time.time)
    call: Call | None = None
    ended: str | None = None


class Crew:
    """The workers that an executor has.

    Args:
        executor: started, and nothing else yet.
        expected: the workers that it has begun to make.
        say: called with each line that people should read.

    Attributes:
        members: by number; ``gone``: those that were lost.

    Raises (constructor): HarnessError, if one of these workers cannot work, say because versions
    differ, or if none joins.
    """

    def __init__(self, executor: Executor, expected: int, say: Callable[[str], None]) -> None:
        self.executor, self._say = executor, say
        self.members: dict[int, Member] = {}
        self.gone: list[Member] = []
        self._refused: set[str] = set()
        self._noted: set[str] = set()
        silence = executor.placement.silence
        self._watchdog, self._nurse = Watchdog(silence), Watchdog(max(silence, STARTING))
        while len(self.members) < expected:
            match executor.next(LISTEN):
                case Joined() as report:
                    self.join(report)
                case Refused() as report:
                    raise PluginError(report.why, where=f"worker on {report.host}")
                case Alive() as report:
                    self.heard(report.worker, report.call)
                case Lost() as report:
                    self.lose(report)
            self.dismiss_silent()

    def join(self, report: Joined) -> None:
        """A worker is ready."""
        self.members[report.worker] = Member(report.worker, report.host, report.device)
        self._nurse.forget(report.worker)
        self._watchdog.heard(report.worker)

    def refuse(self, report: Refused) -> None:
        """A worker that came later cannot work: that is said once for its host.

        Raises:
            PluginError: there is no other worker.
        """
        if not self.members:
            raise PluginError(report.why, where=f"worker on {report.host}")
        if report.host not in self._refused:
            self._refused.add(report.host)
            self._say(f"a worker on {report.host} is left out: {report.why}")

    def note(self, line: str) -> None:
        """A worker has something to say; of workers on one host one is enough."""
        if line not in self._noted:
            self._noted.add(line)
            self._say(line)

    def lose(self, report: Lost) -> Member | None:
        """A worker is gone; None: it had not joined yet."""
        self._watchdog.forget(report.worker)
        self._nurse.forget(report.worker)
        found = self.members.pop(report.worker, None)
        if found is not None:
            found.ended, found.model, found.task = report.reason, None, None
            self.gone.append(found)
        return found

    def heard(self, worker: int, call: Call | None = None) -> None:
        """A worker has said something."""
        member = self.members.get(worker)
        (self._watchdog if member else self._nurse).heard(worker)
        if member:
            member.heard = time.time()
            member.call = call or member.call

    def dismiss_silent(self) -> None:
        """End the workers that hang: they are reported as lost."""
        for watchdog in (self._watchdog, self._nurse):
            for worker in watchdog.listen():
                watchdog.forget(worker)
                self.executor.dismiss(worker, f"not heard of for {watchdog.silence:.0f} s")
