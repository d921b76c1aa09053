"""Writing transfers: targets' predictions of saved candidates, and of a source's clean images.

A commit outlives the process at once and a power cut soon after: to wait for the disk each time
would cost as much as a small model's batch, and what is lost is quickly computed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.store.database import transaction

if TYPE_CHECKING:
    from sqlite3 import Connection

    from sqlite_utils import Database

    from harness.planning import Adaptation, Pair

_TRANSFER = """
INSERT INTO transfers (pair_id, image_id, predicted, rank) VALUES (?, ?, ?, ?)
ON CONFLICT (pair_id, image_id) DO UPDATE SET predicted = excluded.predicted, rank = excluded.rank
WHERE transfers.predicted IS NULL
"""

_ADAPTED_CLEAN = """
INSERT INTO adapted_clean (target_cell_id, adaptation_id, image_id, predicted)
VALUES ((SELECT id FROM cells WHERE key = ?), ?, ?, ?)
ON CONFLICT (target_cell_id, adaptation_id, image_id) DO UPDATE SET predicted = excluded.predicted
WHERE adapted_clean.predicted IS NULL
"""


class Transfers:
    """The writer's side; images and pairs are given by their numbers in the database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def numbers(self, pairs: Iterable[Pair]) -> list[int]:
        """The numbers of ``pairs``, which are inserted where they are new."""
        with self._unsynced() as connection:
            return [_pair(connection, pair) for pair in pairs]

    def write(self, rows: Sequence[tuple[int, int, int | None, int | None]]) -> None:
        """Commit (pair, image, predicted, rank); only rows without a prediction are replaced."""
        with self._unsynced() as connection:
            _insert(connection, _TRANSFER, rows)

    def write_adapted(
        self, target_key: str, how: Adaptation, rows: Sequence[tuple[int, int | None]]
    ) -> None:
        """Commit (image, predicted) of adapted clean images on a target; see `write`."""
        with self._unsynced() as connection:
            number = _adaptation(connection, how)
            _insert(connection, _ADAPTED_CLEAN, [(target_key, number, *row) for row in rows])

    @contextmanager
    def _unsynced(self) -> Iterator[Connection]:
        self._db.conn.execute("PRAGMA synchronous = NORMAL")
        try:
            with transaction(self._db) as connection:
                yield connection
        finally:
            self._db.conn.execute("PRAGMA synchronous = FULL")


def _insert(connection: Connection, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    changed = connection.executemany(statement, rows).rowcount if rows else 0
    if changed != len(rows):
        raise RuntimeError(f"internal error: {len(rows) - changed} transfers were already stored")


def _pair(connection: Connection, pair: Pair) -> int:
    source, target = (
        connection.execute("SELECT id FROM cells WHERE key = ?", [cell.key]).fetchone()[0]
        for cell in (pair.source, pair.target)
    )
    how = _adaptation(connection, pair.adaptation)
    row = {"source_cell_id": source, "target_cell_id": target, "adaptation_id": how}
    return _number(connection, "pairs", row)


def _adaptation(connection: Connection, how: Adaptation) -> int:
    height, width = how.size
    row = {"height": height, "width": width, "cut": how.cut, "border": how.border}
    return _number(connection, "adaptations", row)


def _number(connection: Connection, table: str, row: Mapping[str, object]) -> int:
    """The number of this row of ``table``, which is inserted where it is new."""
    names, marks, values = ", ".join(row), ", ".join("?" * len(row)), [*row.values()]
    connection.execute(
        f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING", values
    )
    (found,) = connection.execute(
        f"SELECT id FROM {table} WHERE ({names}) = ({marks})", values
    ).fetchone()
    return int(found)
