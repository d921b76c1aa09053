"""Observers: whoever is told of a run as it happens, such as a file, a tracker or a dashboard."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Event:
    """What an observer is told: a frozen record that JSON can hold.

    More kinds of event may come, and more fields: pass over what you do not know.
    """

    __slots__ = ()

    event: ClassVar[str]
    """The name of this kind of event, as in ``harness run --progress json``."""

    def record(self) -> dict[str, Any]:
        """The event as one JSON object, with its name under ``event``."""
        return {"event": self.event, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell of a run.

    Attributes:
        key: its content key.
        task: attack or measurement with its parameters, for people; None: the clean predictions.
        images: how many of the run's images it takes, stored ones too.
    """

    key: str
    model: str
    task: str | None
    goal: str | None
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run is planned and stored, and its work begins.

    Attributes:
        run: its number in the database.
        database: the file's path. It may be read, never written.
        harness: the version.
        time: UTC, ISO 8601.
        models: in the plan's order.
        seed: of random targets, and of the attacks' own numbers.
        numerics: of gradients: ``fp32``, ``tf32`` or ``bf16``.
        batch_size: images per pass; None: chosen for the device.
        shard: the part of a run that this is, such as ``2/8``; None: all of it.
        fresh: whether stored results are made anew; ``retry_errors``: those that failed.
    """

    event: ClassVar[str] = "run"

    run: int
    database: str
    harness: str
    time: str
    suite: str
    dataset: str
    models: tuple[str, ...]
    cells: tuple[PlannedCell, ...]
    seed: int
    numerics: str
    executor: str
    device: str
    batch_size: int | None
    shard: str | None
    fresh: bool
    retry_errors: bool


@dataclass(frozen=True, slots=True)
class WorkPending(Event):
    """So much is not stored yet; once more before transfers."""

    event: ClassVar[str] = "start"

    cells: int
    images: int


@dataclass(frozen=True, slots=True)
class CellStarted(Event):
    """The work is now on this cell, or on the goals of one attack together."""

    event: ClassVar[str] = "cell"

    label: str


@dataclass(frozen=True, slots=True)
class Progressed(Event):
    """How far the work is: told when a cell is stored, else once a second at most.

    Times in seconds; rates per second over the last half minute; None where nothing is known yet.
    """

    event: ClassVar[str] = "progress"

    cells_done: int = 0
    cells: int = 0
    images_done: int = 0
    images: int = 0
    forwards: int = 0
    elapsed: float = 0.0
    images_per_second: float | None = None
    forwards_per_second: float | None = None
    remaining: float | None = None


@dataclass(frozen=True, slots=True)
class Said(Event):
    """A line that people read: what was found, what failed, what was done about it."""

    event: ClassVar[str] = "say"

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow(Event):
    """All cells of a model are stored: its row of the leaderboard that the suite has by default.

    Attributes:
        top1: over all images of the run.
        success: of the attack on the ``attacked`` of ``images``; None where none were.
        robust_accuracy: over all images with an outcome, under a fixed budget; else None.
        norm: of the distortion; None under a fixed budget, where distortions say little.
        median: distortion with failures as infinite; JSON has None and ``median_infinite``.
        complete: whether every image has a verdict.
    """

    event: ClassVar[str] = "model"

    model: str
    top1: float | None
    attack: str
    goal: str
    success: float | None
    norm: str | None
    median: float | None
    attacked: int
    images: int
    complete: bool
    robust_accuracy: float | None = None

    def record(self) -> dict[str, Any]:
        infinite = self.median == math.inf
        median = None if infinite else self.median
        return {"event": self.event, **asdict(self), "median": median, "median_infinite": infinite}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """The run is over, well or not; the last event.

    Attributes:
        status: ``done``, ``failed`` (something failed; what was stored is kept) or ``interrupted``.
        exit_code: of the command.
        document: the run's summary as JSON text, as ``--summary`` writes it (docs/ci.md).
    """

    event: ClassVar[str] = "summary"

    status: str
    exit_code: int
    document: str

    @property
    def summary(self) -> dict[str, Any]:
        """The summary, read anew each time: what one observer changes no other one sees."""
        read: dict[str, Any] = json.loads(self.document)
        return read

    def record(self) -> dict[str, Any]:
        return {"event": self.event, **self.summary}


class Observer(BaseModel, ABC):
    """Is told of one run as it happens, and changes nothing in it.

    A subclass declares its options as pydantic fields with descriptions; what it holds meanwhile, a
    file or a client, is a `pydantic.PrivateAttr`. ``harness run --observe NAME:option=value`` makes
    one for each run, before anything is computed: an option that is wrong ends the command.

    It lives in the process of the driver, on a thread of its own that sees the events in order: a
    slow one delays nothing. One that raises, or does not come to its end, is named and told nothing
    more; the run goes on. What it prints goes to stderr in its name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @abstractmethod
    def observe(self, event: Event) -> None:
        """One event. `Said` may come before `RunStarted`; `RunFinished` is the last one.

        A run that fails before it is planned has no `RunStarted`, but a `RunFinished`.
        """

    def close(self) -> None:
        """After the last event: let go of what is held."""
