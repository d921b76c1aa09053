"""One database into another: what is missing is taken, what disagrees is reported."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from harness.api import NORMS
from harness.errors import ConfigError, StoreError
from harness.store.artifacts import folder_of
from harness.store.database import current, is_file, store_errors, transaction
from harness.store.lock import is_held
from harness.store.merge import rows as merge_rows
from harness.store.merge.files import Files, all_or_nothing, take_artifacts
from harness.store.merge.rows import KEYS, RESULTS, Results, compare, insert_missing, take
from harness.store.schema.latest import mark_all
from harness.store.write.writer import Writer

if TYPE_CHECKING:
    from sqlite_utils import Database

RELATIONS = ("run_images", "run_cells", "scores", "trials", "workers")
"""Tables that say what belongs to a run or a cell."""
EPISODES = ("runs", "attempts", "plugin_errors")
"""Tables of what happened once; their rows have no key."""


@dataclass(frozen=True, slots=True)
class Count:
    """What became of the other database's rows of a table.

    Attributes:
        added: they were missing.
        replaced: they are in the place of failed ones.
        equal: the same row was there; of results those that differ by ``noise`` are apart.
        left: no results, or transfers of an image that the target has otherwise: not taken.
    """

    table: str
    added: int = 0
    equal: int = 0
    replaced: int = 0
    noise: int = 0
    conflicts: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two results of the same thing: the target's, which stays, and the other database's.

    Attributes:
        cell: the key of the cell; for transfers the source's.
        label: model, attack and goal of that cell.
        what: in which columns they differ, here and there.
    """

    table: str
    cell: str
    label: str
    image: str
    what: str

    def __str__(self) -> str:
        return f"{self.table}: cell {self.cell[:8]} ({self.label}), image {self.image}: {self.what}"


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge came to."""

    counts: tuple[Count, ...]
    conflicts: tuple[Conflict, ...]


def total(merged: Sequence[Merged]) -> tuple[Count, ...]:
    """The counts of several merges, table by table."""
    each = zip(*(one.counts for one in merged), strict=True)
    return tuple(
        Count(
            counts[0].table,
            **{
                name: sum(getattr(count, name) for count in counts)
                for name in ("added", "equal", "replaced", "noise", "conflicts", "left")
            },
        )
        for counts in each
    )


def merge(db: Path, other: Path, *, command: Sequence[str]) -> Merged:
    """Take everything of the database ``other`` that the one at ``db`` does not hold.

    Rows are the same if their content is: digests and keys, of results cell and image; a run or
    an attempt if all its columns are. Doing it twice changes nothing. All of it happens, or
    nothing. ``db`` is made where there is none; ``command`` names its writer to others.

    Raises:
        ConfigError: it is the same file. StoreError: ``other`` is being written, of a newer
        version or damaged, one of its artifacts is missing, or ``db`` is busy or unusable.
    """
    there = is_file(db)
    with current(other) as readable:
        if there and other.samefile(db):
            raise ConfigError("is the database to merge into", where=str(other))
        if is_held(other):
            raise StoreError(
                "a run is writing it", where=str(other), hint="wait for its end, then merge"
            )
        files = Files(folder_of(other), folder_of(db))
        with (
            Writer.open(db, command=command) as writer,
            _attached(writer.db, readable),
            all_or_nothing(files),
            transaction(writer.db, brief=False) as connection,
        ):
            return _merged(connection, files)


@contextmanager
def _attached(db: Database, path: Path) -> Iterator[None]:
    """The database at ``path`` as ``other``, for reading."""
    place = quote(os.fsencode(path.absolute()))
    with store_errors(path):
        try:
            _attach(db, f"file:{place}?mode=ro")
        except sqlite3.OperationalError:  # a folder without write permission
            _attach(db, f"file:{place}?immutable=1")
        try:
            yield
        finally:
            db.conn.execute("DETACH other")


def _attach(db: Database, uri: str) -> None:
    db.conn.execute("ATTACH ? AS other", [uri])
    try:
        db.conn.execute("SELECT count(*) FROM other.sqlite_master").fetchone()
    except BaseException:
        db.conn.execute("DETACH other")
        raise


def _merged(connection: sqlite3.Connection, files: Files) -> Merged:
    counts: list[Count] = []
    conflicts: list[Conflict] = []

    def count(table: str, added: int) -> None:
        (rows,) = connection.execute(f"SELECT count(*) FROM other.{table}").fetchone()
        counts.append(Count(table, added, rows - added))

    for table in KEYS:
        count(table, merge_rows.map_keyed(connection, table))
    for table in EPISODES:
        count(table, merge_rows.map_whole(connection, table))
    for table in RELATIONS:
        count(table, insert_missing(connection, table))
    merge_rows.keep_worse_trials(connection)
    for results in RESULTS:
        found = compare(connection, results)
        if results.table == "outcomes":
            take_artifacts(connection, files)
        take(connection, results)
        counts.append(Count(results.table, **found))
        conflicts += _conflicts(connection, results)
    mark_all(connection)
    return Merged(tuple(counts), tuple(conflicts))


def _conflicts(connection: sqlite3.Connection, results: Results) -> list[Conflict]:
    table = results.table
    shown = (*results.decisive, *(NORMS if table == "outcomes" else ()))
    here = " AND ".join(f"h.{name} = c.here_{name}" for name in results.key)
    there = " AND ".join(f"o.{name} = c.{name}" for name in results.key)
    rows = connection.execute(
        f"SELECT c.here_{results.key[0]}, images.name, {', '.join(f'h.{n}' for n in shown)},"
        f" {', '.join(f'o.{n}' for n in shown)} FROM compared_{table} AS c"
        f" JOIN main.{table} AS h ON {here} JOIN other.{table} AS o ON {there}"
        " JOIN main.images ON images.id = c.here_image_id WHERE c.verdict = 'conflicts'"
    ).fetchall()
    found = []
    for place, image, *values in rows:
        cell, label = _cell(connection, place, pair=results.key[0] == "pair_id")
        what = _difference(shown, values[: len(shown)], values[len(shown) :])
        found.append(Conflict(table, cell, label, image, what))
    return found


def _cell(connection: sqlite3.Connection, number: int, *, pair: bool) -> tuple[str, str]:
    """Key and label of a cell, or of the cells of a pair."""
    onto = ""
    if pair:
        number, target = connection.execute(
            "SELECT source_cell_id, target_cell_id FROM main.pairs WHERE id = ?", [number]
        ).fetchone()
        onto = f" on {_cell(connection, target, pair=False)[1]}"
    key, label = connection.execute(
        "SELECT cells.key, components.name || ' ' || cells.label || coalesce(' ' || cells.goal, '')"
        " FROM main.cells JOIN main.components ON components.id = cells.model_id"
        " WHERE cells.id = ?",
        [number],
    ).fetchone()
    return key, f"{label}{onto}"


def _difference(names: Sequence[str], here: Sequence[object], there: Sequence[object]) -> str:
    """``predicted 3 here, 5 there``."""
    parts = [
        f"{name} {_text(one)} here, {_text(two)} there"
        for name, one, two in zip(names, here, there, strict=True)
        if one != two
    ]
    return "; ".join(parts) or "other scores"


def _text(value: object) -> str:
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
