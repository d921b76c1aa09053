"""What runs on the cluster: the workers, and on the driver's host what answers their requests.

Ray imports this module on each host. It loads no torch before the program does.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import Any

import ray

from harness.api import Call, HarnessError, Program, Source, Work
from harness_ray import journal

AHEAD = 1
"""Events that may be underway: what was yielded has arrived before the worker goes on, and so
before it dies of what comes next."""
AT_A_TIME = 4
"""Requests that the driver's host answers at a time."""


@dataclass(frozen=True, slots=True)
class Born:
    """A worker's process.

    Attributes:
        node: Ray's name of its host.
        journal: the file there that says what it is doing.
    """

    host: str
    node: str
    pid: int
    journal: Path


@dataclass(frozen=True, slots=True)
class Opened:
    """The worker can work."""

    device: str


@dataclass(frozen=True, slots=True)
class Declined:
    """It cannot."""

    why: str


@dataclass(frozen=True, slots=True)
class Raised:
    """Among a shard's events: `Work.do` raised ``error``."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Supply:
    """The run's source, as its workers have it.

    Attributes:
        packed: the source itself, for workers on the driver's own host.
        node: Ray's name of that host.
        keeper: an actor there, for the others; None: there are none.
    """

    packed: bytes
    node: str
    keeper: Any


class Worker:
    """An actor. One thread works, another one answers `pulse`.

    Args:
        environment: variables that torch has to find when it is imported.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        os.environ.update(environment)
        self._journal = journal.Journal(_session_folder())
        self._work: Work | None = None
        self._call: Call | None = None

    @ray.method(concurrency_group="pulse")
    def born(self) -> Born:
        """Said before anything that takes time."""
        node = ray.get_runtime_context().get_node_id()
        return Born(gethostname(), node, os.getpid(), self._journal.path)

    @ray.method(concurrency_group="pulse")
    def pulse(self) -> Call | None:
        """Answered whatever the work is at, unless the process stands still."""
        return self._call

    def open(self, packed: bytes, supply: Supply, device: str, threads: int) -> Opened | Declined:
        """Become able to work."""
        try:
            program: Program = pickle.loads(packed)
            self._work = program.open(device, _Watch(self, _answers(supply)), threads=threads)
            return Opened(_numbered(self._work.device))
        except HarnessError as error:
            return Declined(str(error))
        except Exception as error:
            return Declined(f"the worker's start raised {_one_line(error)}")
        except BaseException as error:  # a plugin's way to end the process
            self._journal.end(type(error).__name__)

    @ray.method(num_returns="streaming", _generator_backpressure_num_objects=AHEAD)
    def do(self, packed: bytes) -> Generator[bytes, None, None]:
        """What a shard yields, each packed: Ray would hand arrays on that cannot be written to."""
        assert self._work is not None
        try:
            for event in self._work.do(pickle.loads(packed)):
                yield pickle.dumps(event)
        except Exception as error:
            yield pickle.dumps(Raised(_portable(error)))
        except (KeyboardInterrupt, SystemExit) as error:
            self._journal.end(type(error).__name__)

    def leave(self) -> None:
        """There is no more to do."""
        if self._work is not None:
            self._work.__exit__(None, None, None)

    def note(self, call: Call | None) -> None:
        """What the work is at."""
        self._call = call
        if call is None:
            self._journal.idle()
        else:
            self._journal.call(call.what, call.images)


class Keeper:
    """An actor on the driver's host that answers the workers' requests."""

    def __init__(self, packed: bytes) -> None:
        self._source: Source = pickle.loads(packed)

    def answer(self, packed: bytes) -> bytes:
        return pickle.dumps(self._source(pickle.loads(packed)))


class _Watch:
    """See `harness.api.Watch`."""

    def __init__(self, worker: Worker, source: Source) -> None:
        self._worker = worker
        self.ask = source

    def call(self, what: str, images: Sequence[tuple[str, str]] = ()) -> None:
        self._worker.note(Call(what, images))

    def idle(self) -> None:
        self._worker.note(None)

    def beat(self) -> None:
        """Whoever asks for the pulse sees it."""


def _answers(supply: Supply) -> Source:
    """The run's source, here or at the driver's host."""
    if supply.keeper is None or ray.get_runtime_context().get_node_id() == supply.node:
        source: Source = pickle.loads(supply.packed)
        return source

    def ask(request: Any) -> Any:
        try:
            return pickle.loads(ray.get(supply.keeper.answer.remote(pickle.dumps(request))))
        except ray.exceptions.RayError as error:
            raise HarnessError(f"the driver's host does not answer: {_one_line(error)}") from error

    return ask


def _numbered(device: str) -> str:
    """A GPU by the number that it has on its host: the only one that a worker sees is 0."""
    gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
    return device.replace("cuda:0", f"cuda:{gpus[0]}", 1) if gpus else device


def last_words(path: Path) -> tuple[Call | None, str]:
    """A task on the host of a worker that is gone; see `journal.last_words`."""
    return journal.last_words(path)


def _session_folder() -> Path:
    """Ray's own folder on this host, which goes with the cluster."""
    try:
        return Path(ray._private.worker.global_worker.node.get_session_dir_path())
    except AttributeError:
        return Path(tempfile.gettempdir())


def _portable(error: Exception) -> Exception:
    """The error if it can travel to another process, else one that says the same."""
    try:
        copy: Any = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = None
    return error if type(copy) is type(error) else RuntimeError(_one_line(error))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
