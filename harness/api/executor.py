"""Executors: where the work of a run is done, in this process, in others, or on other hosts.

An executor has workers, gives each the shard that the driver chose for it, and hands back what the
work yields. It looks into neither, repeats nothing and decides nothing: what is done where, and
what is done again, is the driver's affair alone.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from harness.api.devices import Devices

SHOWN = 3
"""Images that a message names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the user wants work to be done.

    Attributes:
        devices: what ``--devices`` says.
        most: more workers than this would not help; by default nobody knows.
        address: of a cluster to join; None: there is none, or the executor starts one.
        gpus_per_worker, cpus_per_worker: each worker's share; None: the executor's default.
        silence: seconds after which a worker that has said nothing counts as hung.
        image_timeout: seconds without progress that a plugin may take for each image of a call; 0:
            any number; None: any number for bundled plugins, `harness.overdue.PATIENCE` for others.
            No affair of an executor's.
    """

    devices: Devices
    most: int = sys.maxsize
    address: str | None = None
    gpus_per_worker: float | None = None
    cpus_per_worker: int | None = None
    silence: float = 60.0
    image_timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A stretch of work in a plugin: what it is, and on which images, (cell key, image id) each."""

    what: str
    images: Sequence[tuple[str, str]] = ()

    def __str__(self) -> str:
        names = [name for _, name in self.images]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        shown = f", image {', '.join(names[:SHOWN])}{more}" if names else ""
        return f"{self.what}{shown}"


class Watch(Protocol):
    """Is told what cannot be yielded, in the middle of a call that may not return."""

    def call(self, what: str, images: Sequence[tuple[str, str]] = ()) -> None:
        """A plugin is about to work on ``images``, until the next call here; see `Call`."""

    def idle(self) -> None:
        """No plugin is working."""

    def beat(self) -> None:
        """The call is making progress; about once per pass."""

    def ask(self, request: Any) -> Any:
        """The answer of the run's `Source`, which is on the driver's host. Any thread may ask.

        Raises:
            HarnessError: there is no answer, because the driver's host cannot be reached.
        """


class Source(Protocol):
    """Has what a worker's host may lack: the run's images, weights and saved images.

    A worker is given all the rest with its `Program` and its shards, and asks for these only where
    its own host has none, or others. It is pickled to wherever it answers: in any process on the
    driver's host, with the driver's files, but not in the driver's way. On that host a worker's own
    process will do. Unpickling it needs the harness and nothing else.
    """

    def __call__(self, request: Any) -> Any:
        """Answer a request; both are opaque and picklable, an answer holds some 16 MiB at most.

        Several threads may call it at a time. Raises nothing of its own: that something cannot be
        had is an answer.
        """


class Work(AbstractContextManager[Any], ABC):
    """What a worker runs, one shard after the other; a context that leaves nothing behind."""

    @property
    @abstractmethod
    def device(self) -> str:
        """What it computes on, for people, such as ``cuda:0 NVIDIA H100``."""

    @abstractmethod
    def do(self, shard: Any) -> Generator[Any, None, None]:
        """Yields what is found as it is found. What fails within a shard is among it."""


class Program(Protocol):
    """What makes a worker able to work; it is pickled to where the worker is.

    Unpickling it needs the harness and nothing else: neither plugins nor torch.
    """

    def open(self, device: str, watch: Watch, *, threads: int | None = None) -> Work:
        """Called once by each worker, before anything else.

        Args:
            device: ``cpu`` or ``cuda:N`` as the worker sees it.
            threads: of torch; None: as they are.

        Raises:
            HarnessError: this worker cannot work, say because a plugin is missing there.
        """

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that the worker's process needs before it imports torch."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The worker is ready for its first shard.

    Attributes:
        host: where it is; ``device``: what `Work.device` says.
    """

    worker: int
    host: str
    device: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The worker cannot work, and no other one joins in its place.

    `Program.open` raised, or the device is not there, or workers die before they have joined.
    """

    worker: int
    host: str
    why: str


@dataclass(frozen=True, slots=True)
class Yielded:
    """The worker's shard yielded ``event``; in the order of the events."""

    worker: int
    event: Any


@dataclass(frozen=True, slots=True)
class Alive:
    """The worker's process lives: said every second or so, whatever the worker is at.

    Before it has joined too. A worker in the driver's own process says nothing of the kind.

    Attributes:
        call: the plugin's call that it is in, where the executor knows.
    """

    worker: int
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The worker's shard is over, all that it yielded is reported, and it waits for the next."""

    worker: int


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker is gone, and another one may join in its place, under another number.

    Attributes:
        reason: how it ended, in a few words.
        call: the plugin's call that it ended in, where the executor knows; None where somebody
            outside ended it, for then no call is to blame.
    """

    worker: int
    reason: str
    call: Call | None = None


Report = Joined | Refused | Yielded | Alive | Done | Lost
"""What an executor tells the driver of a worker."""


@dataclass(frozen=True, slots=True)
class Started:
    """What `Executor.start` began.

    Attributes:
        workers: as many that will be reported as `Joined`, `Refused` or `Lost` soon.
    """

    workers: int
    notes: Sequence[str] = field(default=())


class Executor(ABC):
    """Has workers do shards; a context that leaves no worker behind, on whichever host.

    The driver calls it from one thread: `start`, then `submit` and `next` until its work is done. A
    worker does one shard at a time, and waits where its reports are not asked for: no more than a
    few of them are ever underway. What ends the run, such as an interrupt, may be raised anywhere;
    within five seconds of leaving the context no worker is left.

    Args:
        placement: where.

    Raises (constructor): ConfigError, if it cannot do what is asked: the message says what can.
    """

    def __init__(self, placement: Placement) -> None:
        self.placement = placement

    @abstractmethod
    def start(self, program: Program, source: Source) -> Started:
        """Called once, before anything else: begin to make workers.

        Args:
            source: answers what workers `Watch.ask`.

        Raises:
            HarnessError: there is nowhere to work, in one line; nothing is left behind.
            TypeError: ``program`` cannot travel to where the workers are.
        """

    @abstractmethod
    def submit(self, worker: int, shard: Any) -> None:
        """Have ``shard`` done by a worker that has joined and is not at work."""

    @abstractmethod
    def next(self, timeout: float) -> Report | None:
        """Wait for the next report; None: there was none for ``timeout`` seconds.

        Raises:
            HarnessError: no worker is left, and none will join any more. Exception: what a worker's
            `Work.do` raised, which is a defect.
        """

    @abstractmethod
    def dismiss(self, worker: int, reason: str) -> None:
        """End a worker that hangs; it will be reported as `Lost`, for this reason."""

    @abstractmethod
    def close(self) -> None:
        """End all workers, whatever they are at; called when the context is left."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
