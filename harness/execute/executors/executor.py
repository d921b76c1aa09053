"""What an executor is: the place where shards are worked on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from harness.execute.events import Event
from harness.execute.shards import Shard
from harness.execute.worker import WorkerSettings


@dataclass(frozen=True, slots=True)
class Done:
    """The shard is over: everything that its worker found has been reported."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The shard's worker died: what was not reported has to be done again.

    Attributes:
        reason: how it died, in a few words.
    """

    reason: str


Report = Event | Done | Lost


class Executor(Protocol):
    """Works on shards with one or more workers; a context that leaves none of them behind.

    The driver submits shards, at most `slots` at a time, and asks for the `next` report until each
    of them is `Done` or `Lost`. A worker waits where its reports are not asked for.
    """

    @property
    def slots(self) -> int:
        """How many shards are worked on at a time."""

    @property
    def resident(self) -> tuple[str, ...]:
        """Models in the workers' memory, the least recently used first."""

    def start(self, settings: WorkerSettings) -> None:
        """Called once, before anything else.

        Raises:
            TypeError: a plugin's objects cannot travel to the workers.
        """

    def submit(self, shard: Shard) -> None:
        """Have ``shard`` done, by a worker that has its model in memory if one is free."""

    def next(self) -> tuple[int, Report]:
        """Wait for a report of one of the shards; the shard's number, and the report.

        Raises:
            Exception: what ends the run wherever it is raised.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...
