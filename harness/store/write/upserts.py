"""Result rows as SQL: what replaces what, and the values in the order of the columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.store.columns import CLEAN, MEASURED, OUTCOME, RETRYABLE

if TYPE_CHECKING:
    from sqlite3 import Connection

    from harness.api import CleanPrediction, Measured, Outcome
    from harness.store.artifacts import KeptRow

_ROW = ("cell_id", "image_id")
_KEPT = ("artifact_id", "artifact_row")


def _upsert(table: str, names: Sequence[str], *, replaced: str) -> str:
    """Insert a row of ``table``, in the place of one for which ``replaced`` holds."""
    columns = (*_ROW, "attempt_id", *names)
    new = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in _ROW)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        f" ON CONFLICT ({', '.join(_ROW)}) DO UPDATE SET {new} WHERE {replaced}"
    )


_CLEAN = _upsert("clean", CLEAN.names, replaced="clean.error IS NOT NULL")
_OUTCOME = _upsert(
    "outcomes",
    (*OUTCOME.names, *_KEPT),
    replaced=f"outcomes.status IN {RETRYABLE}"
    " OR (outcomes.artifact_id IS NULL AND excluded.artifact_id IS NOT NULL)",
)
_MEASURED = _upsert("measured", MEASURED.names, replaced=f"measured.status IN {RETRYABLE}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attempt's rows go.

    Attributes:
        ids: the ids of its run's images by name.
    """

    attempt: int
    cell: int
    ids: Mapping[str, int]


def write_clean(connection: Connection, place: Place, rows: Sequence[CleanPrediction]) -> None:
    """Insert clean predictions; only failed ones are replaced."""
    _write(connection, _CLEAN, place, [(row.image_id, CLEAN.values(row)) for row in rows])


def write_outcomes(
    connection: Connection, place: Place, rows: Sequence[Outcome], kept: Mapping[str, KeptRow]
) -> None:
    """Insert outcomes and their numbers; what may be replaced is, and what lacks its candidate."""
    values = [(row.image_id, [*OUTCOME.values(row), *_kept(kept, row.image_id)]) for row in rows]
    _write(connection, _OUTCOME, place, values)
    _write_numbers(connection, place, rows)


def write_measured(connection: Connection, place: Place, rows: Sequence[Measured]) -> None:
    """Insert measured images with their numbers and arrays; what may be replaced is."""
    _write(connection, _MEASURED, place, [(row.image_id, MEASURED.values(row)) for row in rows])
    _write_numbers(connection, place, rows)
    arrays = {row.image_id: _packed(row.arrays) for row in rows}
    _replace(connection, "arrays (cell_id, image_id, name, data)", place, arrays)


def _packed(arrays: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: np.asarray(data, "<f4").tobytes() for name, data in arrays.items()}


def _kept(kept: Mapping[str, KeptRow], image_id: str) -> tuple[int | None, int | None]:
    found = kept.get(image_id)
    return (found.artifact, found.row) if found else (None, None)


def _write(
    connection: Connection, statement: str, place: Place, rows: Sequence[tuple[str, list[Any]]]
) -> None:
    """A row that the upsert leaves alone was finished before: it should not have been computed."""
    values = [(place.cell, place.ids[image], place.attempt, *row) for image, row in rows]
    changed = connection.executemany(statement, values).rowcount if values else 0
    if changed != len(values):
        raise RuntimeError(
            f"internal error: {len(values) - changed} results were already stored"
            f" (attempt {place.attempt})"
        )


def _write_numbers(
    connection: Connection, place: Place, rows: Sequence[Outcome] | Sequence[Measured]
) -> None:
    numbers = {row.image_id: _finite(row.numbers) for row in rows}
    _replace(connection, "measurements (cell_id, image_id, name, value)", place, numbers)


def _finite(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


def _replace(
    connection: Connection, table: str, place: Place, rows: Mapping[str, Mapping[str, object]]
) -> None:
    """Put named values in the place of what ``table`` (with its columns) has of these images."""
    connection.executemany(
        f"DELETE FROM {table.split()[0]} WHERE cell_id = ? AND image_id = ?",
        [(place.cell, place.ids[image]) for image in rows],
    )
    connection.executemany(
        f"INSERT INTO {table} VALUES (?, ?, ?, ?)",
        [
            (place.cell, place.ids[image], name, value)
            for image, values in rows.items()
            for name, value in values.items()
        ],
    )
