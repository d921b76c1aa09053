"""Models side by side on a CPU: processes with a share of the cores each, and one that writes.

A small network keeps few cores busy, and two of them on one core each are done sooner than one
after the other on two. What is computed does not depend on it.
"""

from __future__ import annotations

import itertools
import math
import os
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, cast

import torch

from harness.api import ImageKey
from harness.cores import usable_cores
from harness.engine import exact
from harness.engine.child import Child
from harness.engine.device import be_exact
from harness.engine.workers import Workers
from harness.execute.executors.channel import Channel, RemoteProgress, RemoteRecorder, answer
from harness.execute.executors.turn import Turn
from harness.execute.images import Images
from harness.execute.journal import Journal
from harness.execute.model_cache import model_cache
from harness.execute.model_run import ModelWork
from harness.execute.progress import Progress
from harness.execute.recorder import Recorder
from harness.planning import Plan
from harness.resolve.prepare import Resolved
from harness.store.database import reading

SMALL = 3 * 64 * 64
"""Values of an input up to which a network is one for a core of its own."""
WORTH = 500
"""Images to attack or measure for each process; below that its start takes longer than it saves."""


@dataclass(frozen=True, slots=True)
class Orders:
    """All that a process needs to know; it is pickled.

    Attributes:
        threads: torch's own.
    """

    resolved: Resolved
    database: Path
    device: torch.device
    batch_size: int | None
    keys: Mapping[str, ImageKey]
    run: int
    threads: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A model's turn is over.

    Attributes:
        computed: images whose result was stored.
        failed: whether any of its work failed; ``reason`` where its processes did not survive it.
    """

    model: str
    computed: int
    failed: bool
    reason: str | None = None


def sensible(plan: Plan, todo: Mapping[str, Sequence[str]], device: torch.device) -> int:
    """How many processes help: one where the device, the models or the work are not for more."""
    small = all(math.prod(model.about["shape"]) <= SMALL for model in plan.models)
    busy = [cell for cell in plan.cells if todo[cell.key]]
    images = sum(len(todo[cell.key]) for cell in busy if cell.task is not None)
    models = len({cell.model.name for cell in busy})
    if device.type != "cpu" or not small:
        return 1
    return max(1, min(usable_cores(), models, images // WORTH))


class WorkerProcesses:
    """The processes; a context that leaves none behind.

    One that dies is replaced, and the rest of its model's images is done; the model that costs a
    second one is to blame.

    Raises:
        TypeError: a plugin's objects cannot travel to another process.
    """

    def __init__(self, count: int, orders: Orders) -> None:
        try:
            self._packed = pickle.dumps(orders)
        except Exception as error:
            raise TypeError(f"{type(error).__name__}: {error}") from error
        self._count = count
        self._members: dict[Connection, _Member] = {}
        self._left: list[Turn] = []
        self._numbers = itertools.count()

    def __enter__(self) -> WorkerProcesses:
        self._temporary = TemporaryDirectory(prefix="harness-")
        self._folder = Path(self._temporary.name)
        try:
            for _ in range(self._count):
                self._hire()
        except BaseException:
            self._dismiss()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._dismiss()

    def work(self, turns: Iterable[Turn], to: Recorder, by: Progress) -> Iterator[Finished]:
        """Work on models, each in the process that is free; yields them as they finish.

        Raises:
            Exception: what a process or the recorder raised, which would end a run in one process.
        """
        self._left = list(turns)[::-1]
        self._employ()
        while busy := [each for each, member in self._members.items() if member.turn]:
            for connection in cast("list[Connection]", wait(busy)):
                if finished := self._hear(connection, to, by):
                    yield finished

    def _hear(self, connection: Connection, to: Recorder, by: Progress) -> Finished | None:
        """One message, or the end, of a process at work."""
        member = self._members[connection]
        turn = member.turn
        assert turn is not None
        try:
            message = connection.recv()
        except (EOFError, OSError):
            del self._members[connection]
            ended = member.child.kill()
            if call := Journal(member.journal).last_call:
                ended = f"{ended} in {call}"
            return self._replace(turn, ended, to, by)
        if message[0] == "raised":
            raise message[1]
        if message[0] == "done":
            member.turn = None
            self._employ()
            return Finished(turn.model, turn.computed, message[1])
        if message[0] == "ready":
            member.ready = True
            member.send((self._packed, member.journal))
            member.send((turn.model, turn.left))
        else:
            turn.note(message, answer(connection, message, to, by))
        return None

    def _replace(self, turn: Turn, ended: str, to: Recorder, by: Progress) -> Finished | None:
        """The process at ``turn`` has ended."""
        goes_on = turn.broken_off(to, ended)
        if goes_on:
            by.say(f"{turn.model}: {turn.reason}; another one goes on")
            self._left.append(turn)
        self._employ()
        return None if goes_on else Finished(turn.model, turn.computed, True, turn.reason)

    def _employ(self) -> None:
        """Give what is left to those that are free, or to new ones for those that died."""
        while self._left:
            free = (member for member in self._members.values() if member.turn is None)
            member = next(free, None)
            if member is None:
                if len(self._members) == self._count:
                    return
                member = self._hire()
            member.turn = turn = self._left.pop()
            if member.ready:
                member.send((turn.model, turn.left))

    def _hire(self) -> _Member:
        journal = self._folder / str(next(self._numbers))
        child = Child(_work, name="models")
        self._members[child.connection] = member = _Member(child, journal)
        return member

    def _dismiss(self) -> None:
        """What they hold is stored, or is to be dropped."""
        for member in self._members.values():
            member.child.kill()
        self._members.clear()
        self._temporary.cleanup()


class _Member:
    """A process, the model that it is at, and whether it has said that it is there.

    Before that it is sent nothing: what it never reads would keep the sender for ever.
    """

    def __init__(self, child: Child, journal: Path) -> None:
        self.child, self.journal = child, journal
        self.turn: Turn | None = None
        self.ready = False

    def send(self, what: object) -> None:
        with suppress(OSError):  # it has just died, which is seen where its answers are read
            self.child.connection.send(what)


def _work(connection: Connection) -> None:
    """In a process of the crew: one model after the other, until the pipe closes."""
    try:
        connection.send(("ready",))
        packed, path = connection.recv()
        with Journal(path) as journal:
            _work_on(connection, pickle.loads(packed), journal)
    except (EOFError, BrokenPipeError):
        return  # nobody is left to work for
    except Exception as error:
        connection.send(("raised", _portable(error)))
    except BaseException:  # what a plugin raises to end the process ends it
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error if it survives the way to another process, else one that says the same."""
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = None
    return error if type(copy) is type(error) else RuntimeError(f"{type(error).__name__}: {error}")


def _work_on(connection: Connection, orders: Orders, journal: Journal) -> None:
    torch.set_num_threads(orders.threads)
    be_exact()
    line, plan = Channel(connection), orders.resolved.plan
    if plan.cells[0].policy.rows is not None:
        exact.prepare()
    with (
        reading(orders.database) as db,
        model_cache(orders.resolved, orders.device) as models,
        Workers(1) as workers,
    ):
        common: dict[str, Any] = {
            "device": orders.device,
            "batch_size": orders.batch_size,
            "images": Images(orders.resolved.dataset),
            "keys": orders.keys,
            "run": orders.run,
            "workers": workers,
            "journal": journal,
        }
        while True:
            name, todo = connection.recv()
            (model,) = (model for model in plan.models if model.name == name)
            work = ModelWork(
                *(orders.resolved, models, RemoteRecorder(line, db), RemoteProgress(line)), **common
            )
            connection.send(("done", work.do(plan.of(model), todo)))
