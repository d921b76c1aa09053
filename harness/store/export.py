"""The documented views as files: Parquet, CSV or JSON Lines, in batches, whole or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TextIO

from harness.errors import MissingError
from harness.store.replacing import replacing

if TYPE_CHECKING:
    from sqlite_utils import Database

Row = Sequence[Any]

VIEWS = MappingProxyType(
    {
        "outcomes": "samples",
        "clean": "clean_predictions",
        "readings": "readings",
        "transfers": "transfer_samples",
        "pairs": "transfer_pairs",
        "leaderboard": "leaderboard_rows",
        "classes": "class_names",
    }
)
"""What can be exported, and the view that it is."""

BATCH = 10_000
"""How many rows are in memory at a time; a row group of a Parquet file."""

_REAL = ("top1", "success", "distortion_mean")
_TEXT = ("family", "training", "numerics")


def columns(db: Database, view: str) -> dict[str, str]:
    """The view's columns with their SQL types; the computed ones are whole numbers but for a few.

    The types do not depend on what is stored: files of several databases fit together.

    Raises:
        MissingError: the database is older than the view.
    """
    found = db.execute(f"PRAGMA table_info({view})").fetchall()
    if not found:
        raise MissingError(
            f"the database has no view {view}",
            hint="an earlier version wrote it; the next run adds it",
        )
    return {name: declared or _computed(name) for _, name, declared, *_ in found}


def _computed(name: str) -> str:
    return "REAL" if name in _REAL else "TEXT" if name in _TEXT else "INTEGER"


def export(db: Database, what: str, format: str, path: Path) -> int:
    """Write the view of ``what`` (a key of `VIEWS`) to the file ``path``; returns its rows.

    The file appears when it is complete, in the place of any earlier one. Floats keep every bit;
    NULL is empty in CSV, where nothing tells it from an empty text.

    Args:
        format: one of `FORMATS`.

    Raises:
        MissingError: Parquet without pyarrow. ConfigError: the file cannot be written.
    """
    with replacing(path) as partial:
        if format in BINARY:
            types = columns(db, VIEWS[what])
            return BINARY[format](types, _batches(db, VIEWS[what]), partial)
        with partial.open("w", encoding="utf-8", newline="") as file:
            return write_text(db, what, format, file)


def write_text(db: Database, what: str, format: str, file: TextIO) -> int:
    """As `export`, to an open text file, in one of the formats of `TEXT`."""
    names = list(columns(db, VIEWS[what]))
    return TEXT[format](names, _batches(db, VIEWS[what]), file)


def _csv(names: Sequence[str], batches: Iterator[list[Row]], file: TextIO) -> int:
    table, rows = csv.writer(file, lineterminator="\n"), 0
    table.writerow(names)
    for batch in batches:
        table.writerows(batch)
        rows += len(batch)
    return rows


def _jsonl(names: Sequence[str], batches: Iterator[list[Row]], file: TextIO) -> int:
    rows = 0
    for batch in batches:
        file.writelines(
            json.dumps(dict(zip(names, row, strict=True)), allow_nan=False) + "\n" for row in batch
        )
        rows += len(batch)
    return rows


def _batches(db: Database, view: str) -> Iterator[list[Row]]:
    """The view's rows, `BATCH` at a time, from one state of the database."""
    db.conn.execute("BEGIN")
    with closing(db.conn.execute(f"SELECT * FROM {view}")) as cursor:
        while batch := cursor.fetchmany(BATCH):
            yield batch
    db.conn.execute("COMMIT")


def _parquet(types: Mapping[str, str], batches: Iterator[list[Row]], path: Path) -> int:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise MissingError(
            "Parquet needs pyarrow, which is not installed",
            where="--format parquet",
            hint="pip install 'frontier-harness[imagenet]', or export csv or jsonl",
        ) from error
    arrow = {"TEXT": pyarrow.string(), "INTEGER": pyarrow.int64(), "REAL": pyarrow.float64()}
    schema = pyarrow.schema([(name, arrow[kind]) for name, kind in types.items()])
    rows = 0
    with ParquetWriter(path, schema) as writer:
        for batch in batches:
            values = zip(*batch, strict=True)
            arrays = [
                pyarrow.array(column, kind)
                for column, kind in zip(values, schema.types, strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
            rows += len(batch)
    return rows


BINARY = MappingProxyType({"parquet": _parquet})
TEXT = MappingProxyType({"csv": _csv, "jsonl": _jsonl})
FORMATS = (*BINARY, *TEXT)
"""What a file can be, and what its name then ends with."""
