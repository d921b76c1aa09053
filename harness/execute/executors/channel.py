"""A writer and a display on the other end of a pipe, and what answers them there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from harness.api import CleanPrediction, Measured, Outcome
from harness.api.trial import Trial
from harness.execute.progress import Progress
from harness.execute.recorder import Keeper, Recorder
from harness.store.artifacts import KeptRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sqlite_utils import Database


class Channel:
    """One end of a pipe to the process that writes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ask(self, name: str, *given: Any, **named: Any) -> Any:
        """What the recorder's method returns; where it raises, this process is ended."""
        self._connection.send(("ask", name, given, named))
        return self._connection.recv()

    def tell(self, name: str, *given: Any, **named: Any) -> None:
        """Call a method of the progress, and go on."""
        self._connection.send(("tell", name, given, named))


def answer(connection: Connection, message: tuple[Any, ...], to: Recorder, by: Progress) -> Any:
    """Do what a `Channel` asked or told; returns what the recorder returned.

    Raises:
        StoreError: the recorder's own, which is the end of the run.
    """
    kind, name, given, named = message
    if kind == "tell":
        return getattr(by, name)(*given, **named)
    target: Any = to
    for part in name.split("."):
        target = getattr(target, part)
    returned = target(*given, **named)
    with suppress(OSError):  # the process died meanwhile, which is seen at its end of the pipe
        connection.send(returned)
    return returned


class RemoteKeeper(Keeper):
    """Kept candidates travel to the process that writes."""

    def __init__(self, line: Channel) -> None:
        self._line = line

    def append(self, cell_key: str, images: NDArray[np.float32]) -> list[KeptRow]:
        kept: list[KeptRow] = self._line.ask("artifacts.append", cell_key, images)
        return kept

    def seal(self, cell_key: str) -> None:
        self._line.ask("artifacts.seal", cell_key)


class RemoteRecorder(Recorder):
    """Rows travel to the process that writes; ``db`` is this process's own, for reading."""

    def __init__(self, line: Channel, db: Database) -> None:
        self._line, self._db, self._keeper = line, db, RemoteKeeper(line)

    @property
    def db(self) -> Database:
        return self._db

    @property
    def artifacts(self) -> Keeper:
        return self._keeper

    def begin_attempt(self, cell_key: str, run: int, *, device: str, batch_size: int) -> int:
        number: int = self._line.ask(
            "begin_attempt", cell_key, run, device=device, batch_size=batch_size
        )
        return number

    def finish_attempt(
        self, attempt: int, *, status: str, seconds: float, halvings: int, error: str | None
    ) -> None:
        self._line.ask(
            *("finish_attempt", attempt),
            status=status,
            seconds=seconds,
            halvings=halvings,
            error=error,
        )

    def record_trial(self, cell_key: str, trial: Trial) -> None:
        self._line.ask("record_trial", cell_key, trial)

    def write_clean(self, attempt: int, rows: Iterable[CleanPrediction]) -> None:
        self._line.ask("write_clean", attempt, list(rows))

    def write_outcomes(
        self, attempt: int, rows: Iterable[Outcome], kept: Mapping[str, KeptRow]
    ) -> None:
        self._line.ask("write_outcomes", attempt, list(rows), kept)

    def write_measured(self, attempt: int, rows: Iterable[Measured]) -> None:
        self._line.ask("write_measured", attempt, list(rows))

    def make_again(self, cell_key: str, images: Collection[str], run: int) -> None:
        self._line.ask("make_again", cell_key, list(images), run)


class RemoteProgress(Progress):
    """What is told travels to the process that has the display."""

    def __init__(self, line: Channel) -> None:
        self._line = line

    def start(self, *, cells: int, images: int) -> None:
        self._line.tell("start", cells=cells, images=images)

    def say(self, text: str) -> None:
        self._line.tell("say", text)

    def cell(self, label: str) -> None:
        self._line.tell("cell", label)

    def advance(self, *, images: int = 0, cells: int = 0, forwards: int = 0) -> None:
        self._line.tell("advance", images=images, cells=cells, forwards=forwards)
