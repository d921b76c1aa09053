"""The executor of other processes on this machine, each with a share of the CPU's cores.

A small network keeps few cores busy, and two of them on one core each are done sooner than one
after the other on two. What is computed does not depend on it.
"""

from __future__ import annotations

import itertools
import math
import os
import pickle
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import torch

from harness.cores import usable_cores
from harness.engine import exact
from harness.engine.child import Child
from harness.engine.device import be_exact
from harness.execute.events import Beat
from harness.execute.executors.executor import Done, Lost, Report
from harness.execute.journal import Image, Journal
from harness.execute.shards import Shard
from harness.execute.worker import Worker, WorkerSettings
from harness.planning import Plan

SMALL = 3 * 64 * 64
"""Values of an input up to which a network is one for a core of its own."""
WORTH = 500
"""Images to attack or measure for each process; below that its start takes longer than it saves."""


def sensible(plan: Plan, todo: Mapping[str, Sequence[str]], device: torch.device) -> int:
    """How many processes help: one where the device, the models or the work are not for more."""
    small = all(math.prod(model.shape) <= SMALL for model in plan.models)
    busy = [cell for cell in plan.cells if todo[cell.key]]
    images = sum(len(todo[cell.key]) for cell in busy if cell.task is not None)
    models = len({cell.model.name for cell in busy})
    if device.type != "cpu" or not small:
        return 1
    return max(1, min(usable_cores(), models, images // WORTH))


class Processes:
    """See `Executor`: ``slots`` processes, each replaced when it dies."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._members: dict[Connection, _Member] = {}
        self._readable: deque[Connection] = deque()
        self._numbers = itertools.count()
        self._packed = b""

    @property
    def resident(self) -> tuple[str, ...]:
        return tuple(member.model for member in self._members.values() if member.model)

    def start(self, settings: WorkerSettings) -> None:
        share = max(1, torch.get_num_threads() // self.slots)
        try:
            self._packed = pickle.dumps(replace(settings, threads=share, fits=1))
        except Exception as error:
            raise TypeError(f"{type(error).__name__}: {error}") from error
        for _ in range(self.slots):
            self._hire()

    def submit(self, shard: Shard) -> None:
        free = [member for member in self._members.values() if member.shard is None]
        # Else the one that has nothing in memory, or what was needed longest ago.
        free.sort(key=lambda member: (member.model != shard.model, member.model is not None))
        member = free[0] if free else self._hire()
        member.shard, member.model = shard, shard.model
        if member.ready:
            member.send(shard)

    def next(self) -> tuple[int, Report]:
        while True:
            while not self._readable:
                busy = [each for each, member in self._members.items() if member.shard]
                self._readable.extend(cast("list[Connection]", wait(busy)))
            connection = self._readable.popleft()
            member = self._members[connection]
            shard = member.shard
            assert shard is not None
            report = self._heard(connection, member, shard)
            if report is not None:
                return shard.number, report

    def _heard(self, connection: Connection, member: _Member, shard: Shard) -> Report | None:
        """One message, or the end, of a process at work."""
        try:
            message = connection.recv()
        except (EOFError, OSError):
            del self._members[connection]
            ended = member.child.kill()
            if call := Journal(member.journal).last_call:
                ended = f"{ended} in {call}"
            return Lost(ended)
        if isinstance(message, Exception):
            raise message
        if message is None:
            member.ready = True
            member.send((self._packed, member.journal))
            member.send(shard)
            return None
        if isinstance(message, Done):
            member.shard = None
        report: Report = message
        return report

    def _hire(self) -> _Member:
        journal = Path(self._folder.name, str(next(self._numbers)))
        child = Child(_work, name="models")
        self._members[child.connection] = member = _Member(child, journal)
        return member

    def __enter__(self) -> Processes:
        self._folder = TemporaryDirectory(prefix="harness-")
        return self

    def __exit__(self, *raised: object) -> None:
        """What they hold is stored, or is to be dropped."""
        for member in self._members.values():
            member.child.kill()
        self._members.clear()
        self._folder.cleanup()


class _Member:
    """A process, the shard that it is at, the model in its memory, and whether it is `ready`.

    Before that it is sent nothing: what it never reads would block the sender for ever.
    """

    def __init__(self, child: Child, journal: Path) -> None:
        self.child, self.journal = child, journal
        self.shard: Shard | None = None
        self.model: str | None = None
        self.ready = False

    def send(self, what: object) -> None:
        with suppress(OSError):  # it has just died, which is seen where its reports are read
            self.child.connection.send(what)


class _Watch:
    """In a process: its journal, and the beats that it sends."""

    def __init__(self, connection: Connection, journal: Journal) -> None:
        self._connection, self._journal = connection, journal

    def call(self, what: str, images: Sequence[Image] = ()) -> None:
        self._journal.call(what, images)

    def idle(self) -> None:
        self._journal.idle()

    def beat(self) -> None:
        self._connection.send(Beat())


def _work(connection: Connection) -> None:
    """In a process: one shard after the other, until the pipe closes."""
    try:
        connection.send(None)  # it is ready
        packed, path = connection.recv()
        with Journal(path) as journal:
            _work_on(connection, pickle.loads(packed), _Watch(connection, journal))
    except (EOFError, BrokenPipeError):
        return  # nobody is left to work for
    except Exception as error:
        connection.send(_portable(error))
    except BaseException:  # what a plugin raises to end the process ends it
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error if it can travel to another process, else one that says the same."""
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = None
    return error if type(copy) is type(error) else RuntimeError(f"{type(error).__name__}: {error}")


def _work_on(connection: Connection, settings: WorkerSettings, watch: _Watch) -> None:
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    be_exact()
    if settings.policy.rows is not None:
        exact.prepare()
    with Worker(settings, watch) as worker:
        while True:
            shard = connection.recv()
            for event in worker.work(shard):
                connection.send(event)
            connection.send(Done())
