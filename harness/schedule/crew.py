"""Models side by side on a CPU: processes with a share of the cores each, and one that writes.

A small network keeps few cores busy, and two of them on one core each are done sooner than one
after the other on two. What is computed does not depend on it.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import torch

from harness.engine.device import be_exact
from harness.engine.workers import Workers, begin
from harness.plan import Plan
from harness.schedule.images import Images
from harness.schedule.progress import Progress
from harness.schedule.recorder import Recorder
from harness.schedule.residency import residency
from harness.schedule.resolve import Resolved
from harness.schedule.wire import FarProgress, FarRecorder, Line, answer
from harness.schedule.work import ModelWork
from harness.store.database import reading
from harness.store.records import ImageKey

SMALL = 3 * 64 * 64
"""Values of an input up to which a network is one for a core of its own."""
WORTH = 500
"""Images to attack or measure for each process; below that its start takes longer than it saves."""


@dataclass(frozen=True, slots=True)
class Orders:
    """All that a process needs to know; it is pickled.

    Attributes:
        todo: the images to compute, by cell key.
        threads: torch's own.
    """

    resolved: Resolved
    database: Path
    device: torch.device
    batch_size: int | None
    keys: Mapping[str, ImageKey]
    run: int
    todo: Mapping[str, list[str]]
    threads: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A model's turn is over.

    Attributes:
        failed: whether any of its work failed; ``reason`` where the process itself is gone.
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
    return max(1, min(os.cpu_count() or 1, models, images // WORTH))


class Crew:
    """The processes; a context that leaves none behind.

    Raises:
        TypeError: a plugin's objects cannot travel to another process.
    """

    def __init__(self, count: int, orders: Orders) -> None:
        try:
            packed = pickle.dumps(orders)
        except Exception as error:
            raise TypeError(f"{type(error).__name__}: {error}") from error
        context = multiprocessing.get_context("spawn")
        self._members: dict[Connection, BaseProcess] = {}
        for number in range(count):
            mine, its = context.Pipe()
            member = context.Process(target=_work, args=(its, packed), name=f"models {number}")
            member.start()
            its.close()  # so that the end of the process is the end of the pipe
            self._members[mine] = member

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection, member in self._members.items():
            connection.close()
            if kind is not None:
                member.terminate()
        for member in self._members.values():
            member.join()

    def work(self, models: Iterable[str], to: Recorder, by: Progress) -> Iterator[Finished]:
        """Work on ``models``, each in the process that is free; yields them as they finish.

        Raises:
            Exception: what a process or the recorder raised, which would end a run in one process.
        """
        left = list(models)[::-1]
        at: dict[Connection, str] = {}
        for connection in self._members:
            _next(connection, left, at)
        while at:
            for connection in cast("list[Connection]", wait(list(at))):
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    code = self._gone(connection)
                    yield Finished(at.pop(connection), 0, True, f"its process ended ({code})")
                    continue
                if message[0] == "raised":
                    raise message[1]
                if message[0] != "done":
                    answer(connection, message, to, by)
                    continue
                _, failed, computed = message
                model = at.pop(connection)
                _next(connection, left, at)
                yield Finished(model, computed, failed)
        for model in left:
            yield Finished(model, 0, True, "no process is left for it")

    def _gone(self, connection: Connection) -> str:
        member = self._members.pop(connection)
        member.join()
        return f"exit code {member.exitcode}"


def _next(connection: Connection, left: list[str], at: dict[Connection, str]) -> None:
    """Give the process the next model, if there is one."""
    if left:
        at[connection] = left.pop()
        connection.send(at[connection])


def _work(connection: Connection, packed: bytes) -> None:
    """In a process of the crew: one model after the other, until the pipe closes."""
    begin()
    try:
        _work_on(connection, pickle.loads(packed))
    except Exception as error:
        connection.send(("raised", error))


def _work_on(connection: Connection, orders: Orders) -> None:
    torch.set_num_threads(orders.threads)
    be_exact()
    line, plan = Line(connection), orders.resolved.plan
    with (
        reading(orders.database) as db,
        residency(orders.resolved, orders.device) as models,
        Workers(1) as workers,
    ):
        common: dict[str, Any] = {
            "device": orders.device,
            "batch_size": orders.batch_size,
            "images": Images(orders.resolved.dataset),
            "keys": orders.keys,
            "run": orders.run,
            "workers": workers,
        }
        while (name := _received(connection)) is not None:
            (model,) = (model for model in plan.models if model.name == name)
            work = ModelWork(
                *(orders.resolved, models, FarRecorder(line, db), FarProgress(line)), **common
            )
            failed = work.do(plan.of(model), orders.todo)
            connection.send(("done", failed, work.computed))


def _received(connection: Connection) -> str | None:
    try:
        name: str = connection.recv()
    except EOFError:
        return None
    return name
