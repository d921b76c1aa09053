"""Result rows as SQL: what replaces what, and the values in the order of the columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite3 import Connection

    from harness.store.records import CleanResult, Measured, Outcome

CLEAN = """
INSERT INTO clean (cell_id, image_id, attempt_id, predicted, margin, least, second, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (cell_id, image_id) DO UPDATE SET
  attempt_id = excluded.attempt_id, predicted = excluded.predicted, margin = excluded.margin,
  least = excluded.least, second = excluded.second, error = excluded.error
WHERE clean.error IS NOT NULL
"""

OUTCOME = """
INSERT INTO outcomes (cell_id, image_id, attempt_id, status, target, predicted, margin, confident,
  linf, l2, l1, l0, forwards, backwards, artifact_id, artifact_row, error,
  rounded_status, rounded_predicted, rounded_margin)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (cell_id, image_id) DO UPDATE SET
  attempt_id = excluded.attempt_id, status = excluded.status, target = excluded.target,
  predicted = excluded.predicted, margin = excluded.margin, confident = excluded.confident,
  linf = excluded.linf, l2 = excluded.l2, l1 = excluded.l1, l0 = excluded.l0,
  forwards = excluded.forwards, backwards = excluded.backwards,
  artifact_id = excluded.artifact_id, artifact_row = excluded.artifact_row, error = excluded.error,
  rounded_status = excluded.rounded_status, rounded_predicted = excluded.rounded_predicted,
  rounded_margin = excluded.rounded_margin
WHERE outcomes.status IN ('error', 'invalid')
  OR (outcomes.artifact_id IS NULL AND excluded.artifact_id IS NOT NULL)
"""

MEASURED = """
INSERT INTO measured
  (cell_id, image_id, attempt_id, status, target, forwards, backwards, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (cell_id, image_id) DO UPDATE SET
  attempt_id = excluded.attempt_id, status = excluded.status, target = excluded.target,
  forwards = excluded.forwards, backwards = excluded.backwards, error = excluded.error
WHERE measured.status IN ('error', 'invalid')
"""


def clean_values(cell: int, image: int, attempt: int, row: CleanResult) -> tuple[Any, ...]:
    """The parameters of `CLEAN`."""
    margin = finite(row.margin)
    return (cell, image, attempt, row.predicted, margin, row.least, row.second, row.error)


def outcome_values(cell: int, image: int, attempt: int, row: Outcome) -> tuple[Any, ...]:
    """The parameters of `OUTCOME`."""
    kept = (row.kept.artifact, row.kept.row) if row.kept else (None, None)
    norms = (finite(row.linf), finite(row.l2), finite(row.l1), row.l0)
    status = row.rounded_status.value if row.rounded_status else None
    rounded = (status, row.rounded_predicted, finite(row.rounded_margin))
    return (
        *(cell, image, attempt, row.status.value, row.target, row.predicted, finite(row.margin)),
        *(int(row.confident), *norms, row.forwards, row.backwards, *kept, row.error, *rounded),
    )


def measured_values(cell: int, image: int, attempt: int, row: Measured) -> tuple[Any, ...]:
    """The parameters of `MEASURED`."""
    passes = (row.forwards, row.backwards)
    return (cell, image, attempt, row.status.value, row.target, *passes, row.error)


def write_numbers(
    connection: Connection,
    cell: int,
    ids: Mapping[str, int],
    rows: Sequence[Outcome] | Sequence[Measured],
) -> None:
    """Replace the numbers of these images of a cell; what is not finite is not stored."""
    connection.executemany(
        "DELETE FROM measurements WHERE cell_id = ? AND image_id = ?",
        [(cell, ids[row.image_id]) for row in rows],
    )
    connection.executemany(
        "INSERT INTO measurements (cell_id, image_id, name, value) VALUES (?, ?, ?, ?)",
        [
            (cell, ids[row.image_id], name, float(value))
            for row in rows
            for name, value in row.numbers.items()
            if math.isfinite(value)
        ],
    )


def write_arrays(
    connection: Connection, cell: int, ids: Mapping[str, int], rows: Sequence[Measured]
) -> None:
    """Replace the arrays of these images of a cell."""
    connection.executemany(
        "DELETE FROM arrays WHERE cell_id = ? AND image_id = ?",
        [(cell, ids[row.image_id]) for row in rows],
    )
    connection.executemany(
        "INSERT INTO arrays (cell_id, image_id, name, data) VALUES (?, ?, ?, ?)",
        [
            (cell, ids[row.image_id], name, data)
            for row in rows
            for name, data in row.arrays.items()
        ],
    )


def finite(value: float | None) -> float | None:
    """``value``, or None where it is NaN or infinite."""
    return None if value is None or not math.isfinite(value) else float(value)
