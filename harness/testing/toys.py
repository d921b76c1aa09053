"""A program whose shards say what they do: the work of `harness.testing.executors`. No torch."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.api import ConfigError, Watch, Work

PATIENCE = 120.0
"""Seconds to wait for what is sure to come, on however busy a machine."""


@dataclass(frozen=True, slots=True)
class Toy:
    """A shard.

    Attributes:
        does: a method of `ToyWork`; ``arguments`` are its own.
        ballast: makes the shard large.
    """

    does: str
    arguments: Sequence[Any] = ()
    ballast: bytes = b""


@dataclass(frozen=True, slots=True)
class ToyProgram:
    """Opens a `ToyWork`.

    Attributes:
        refuses: the reason why no worker can work.
        dies: whether each worker dies before it has joined.
        luggage: something to be pickled with it.
    """

    refuses: str | None = None
    dies: bool = False
    luggage: Any = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def open(self, device: str, watch: Watch, *, threads: int | None = None) -> ToyWork:
        if self.refuses is not None:
            raise ConfigError(self.refuses)
        if self.dies:
            os._exit(9)
        return ToyWork(device, watch, threads)


def unpicklable() -> ToyProgram:
    """A program that cannot travel."""
    return ToyProgram(luggage=threading.Lock())


def answer(request: Any) -> Any:
    """A `Source`."""
    return ("answer", request)


class ToyWork(Work):
    """Does what its shards say."""

    def __init__(self, device: str, watch: Watch, threads: int | None) -> None:
        self._device, self._watch, self._threads = device, watch, threads

    @property
    def device(self) -> str:
        return f"{self._device} toy"

    def __exit__(self, *raised: object) -> None:
        """It holds nothing."""

    def do(self, shard: Toy) -> Generator[Any, None, None]:
        found: Generator[Any, None, None] = getattr(self, shard.does)(*shard.arguments)
        yield from found

    def who(self) -> Generator[Any, None, None]:
        """Its process, device and threads."""
        yield os.getpid(), self._device, self._threads

    def count(self, upto: int) -> Generator[Any, None, None]:
        """0, 1, ..."""
        yield from range(upto)

    def nothing(self) -> Generator[Any, None, None]:
        """No event; None is one."""
        yield from ()

    def variable(self, name: str) -> Generator[Any, None, None]:
        """One of its process's environment."""
        yield os.environ.get(name)

    def ask(self, request: Any) -> Generator[Any, None, None]:
        """What the run's source answers."""
        yield self._watch.ask(request)

    def meet(self, mine: str, other: str) -> Generator[Any, None, None]:
        """Waits for another worker, which waits for this one."""
        yield os.getpid()
        Path(mine).touch()
        _wait_for(Path(other))
        yield "met"

    def stay(self, file: str) -> Generator[Any, None, None]:
        """In a plugin's call until the file is there."""
        self._watch.call("a call", [("cell", "image")])
        yield os.getpid()
        _wait_for(Path(file))
        self._watch.idle()
        yield "stayed"

    def flood(self, events: int, size: int, counter: str) -> Generator[Any, None, None]:
        """Large events; the file counts how many it has made."""
        for number in range(1, events + 1):
            Path(counter).write_text(str(number))
            yield bytes(size)

    def fail(self, text: str) -> Generator[Any, None, None]:
        """A defect."""
        yield "before"
        raise ValueError(text)

    def end(self, how: str) -> Generator[Any, None, None]:
        """It says one thing more, and its process ends."""
        self._watch.call("a deadly call", [("cell", "image")])
        yield os.getpid()
        if how == "SystemExit":
            raise SystemExit(3)
        if how == "os._exit":
            os._exit(3)
        ctypes.string_at(0)


def _wait_for(file: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not file.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{file} has not appeared")
        time.sleep(0.01)
