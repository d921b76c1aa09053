"""The worker's side of a process: shards in, reports out, and a heartbeat.

It imports no torch before the program does: what torch needs to find in the environment, and how
many threads it has, is the program's affair.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from socket import gethostname
from typing import Any

from harness.api import (
    Alive,
    Call,
    Done,
    Joined,
    Program,
    Refused,
    Report,
    Source,
    Work,
    Yielded,
)
from harness.contained import cause
from harness.engine.channel import Line, read
from harness.execute.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The first message to a worker; the second one is its program and the run's source."""

    worker: int
    device: str
    threads: int
    journal: Path


def work(connection: Connection) -> None:
    """In the process: one shard after the other, until the pipe closes."""
    descriptor = connection.fileno()
    try:
        orders: Orders = pickle.loads(read(descriptor))
        line = _Line(descriptor, orders.worker)
        with Journal(orders.journal) as journal:
            try:
                _work_on(descriptor, orders, line, journal)
            except Exception:
                raise
            except BaseException:  # what a plugin raises to end the process ends it
                os._exit(1)  # and the journal has the call
    except (EOFError, BrokenPipeError):
        return  # nobody is left to work for
    except Exception as error:
        line.send(_portable(error))


def _work_on(descriptor: int, orders: Orders, line: _Line, journal: Journal) -> None:
    packed = read(descriptor)
    try:
        opened = _opened(packed, orders, line, journal)
    except Exception as error:
        line.send(Refused(orders.worker, gethostname(), cause("the worker's start", error)))
        return
    with opened:
        line.send(Joined(orders.worker, gethostname(), opened.device))
        while True:
            shard = pickle.loads(read(descriptor))
            for event in opened.do(shard):
                line.send(Yielded(orders.worker, event))
            line.send(Done(orders.worker))


def _opened(packed: bytes, orders: Orders, line: _Line, journal: Journal) -> Work:
    found: tuple[Program, Source] = pickle.loads(packed)
    program, source = found
    watch = _Watch(line, journal, source)
    return program.open(orders.device, watch, threads=orders.threads)


class _Line:
    """The way to the driver, which hears in each heartbeat which call the worker is in."""

    def __init__(self, descriptor: int, worker: int) -> None:
        self._worker = worker
        self.call: Call | None = None
        self._line = Line(descriptor, self._alive)

    def send(self, message: Report | Exception) -> None:
        """Returns when the driver, or the pipe to it, has the message."""
        self._line.send(pickle.dumps(message))

    def _alive(self) -> bytes:
        return pickle.dumps(Alive(self._worker, self.call))


class _Watch:
    """Notes the worker's calls for the time after its death, and for the next heartbeat."""

    def __init__(self, line: _Line, journal: Journal, source: Source) -> None:
        self._line, self._journal = line, journal
        self.ask = source

    def call(self, what: str, images: Sequence[tuple[str, str]] = ()) -> None:
        self._journal.call(what, images)
        self._line.call = Call(what, images)

    def idle(self) -> None:
        self._journal.idle()
        self._line.call = None

    def beat(self) -> None:
        """The heartbeat says it."""


def _portable(error: Exception) -> Exception:
    """The error if it can travel to another process, else one that says the same."""
    try:
        copy: Any = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = None
    return error if type(copy) is type(error) else RuntimeError(f"{type(error).__name__}: {error}")
