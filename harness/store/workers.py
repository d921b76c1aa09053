"""The workers of a run, as they were last heard of: the record, its writing and its reading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3

    from sqlite_utils import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A worker of a run, as it was last heard of.

    Attributes:
        number: its own within the run.
        device: what it computes on, such as ``cuda:0 NVIDIA H100``.
        joined, heard: UTC; one that is alive is heard of every second or so.
        model, task: what it is at; None where it waits, or is gone.
        images: that it has done; ``images_per_second`` lately, None where that is not known yet.
        ended: how it was lost; None: it was not.
    """

    number: int
    host: str
    device: str
    joined: str
    heard: str
    model: str | None
    task: str | None
    images: int
    images_per_second: float | None
    ended: str | None

    def silent(self, now: datetime) -> float:
        """Seconds since it was last heard of."""
        return max(0.0, (now - datetime.fromisoformat(self.heard)).total_seconds())


_NAMES = [field.name for field in fields(WorkerRow)]


def utc(seconds: float) -> str:
    """Seconds of `time.time` as the database has times."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def write(connection: sqlite3.Connection, run: int, rows: Iterable[WorkerRow]) -> None:
    """Store how the workers of a run are, in the place of what was stored before."""
    marks = ", ".join("?" for _ in ("run_id", *_NAMES))
    connection.executemany(
        f"INSERT OR REPLACE INTO workers (run_id, {', '.join(_NAMES)}) VALUES ({marks})",
        [(run, *astuple(row)) for row in rows],
    )


def read(db: Database, run: int) -> list[WorkerRow]:
    """The workers of a run, in the order of their numbers."""
    found = db.query(
        f"SELECT {', '.join(_NAMES)} FROM workers WHERE run_id = ? ORDER BY number", [run]
    )
    rows: list[dict[str, Any]] = list(found)
    return [WorkerRow(**row) for row in rows]
