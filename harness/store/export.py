"""The documented views as files: Parquet, CSV or JSON lines, in batches, whole or not at all."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TextIO

from harness.errors import ConfigError, MissingError

if TYPE_CHECKING:
    from sqlite_utils import Database

Format = Literal["parquet", "csv", "jsonl"]
Row = Sequence[Any]

VIEWS = MappingProxyType(
    {
        "outcomes": "samples",
        "clean": "clean_predictions",
        "readings": "readings",
        "transfers": "transfer_samples",
        "pairs": "transfer_pairs",
        "leaderboard": "leaderboard_rows",
    }
)
"""What can be exported, and the view that it is."""

BATCH = 10_000
"""How many rows are in memory at a time; a row group of a Parquet file."""

_REAL = ("top1", "success", "distortion_mean")
_TEXT = ("family",)


def columns(db: Database, view: str) -> dict[str, str]:
    """The view's columns with their SQL types; the computed ones are whole numbers but for a few.

    The types do not depend on what is stored: files of several databases fit together.
    """
    found = db.execute(f"PRAGMA table_info({view})").fetchall()
    return {name: declared or _computed(name) for _, name, declared, *_ in found}


def _computed(name: str) -> str:
    return "REAL" if name in _REAL else "TEXT" if name in _TEXT else "INTEGER"


def export(db: Database, what: str, format: Format, path: Path) -> int:
    """Write the view of ``what`` (a key of `VIEWS`) to the file ``path``; returns its rows.

    The file appears when it is complete, in the place of any earlier one. Floats keep every bit;
    NULL is empty in CSV, where nothing tells it from an empty text.

    Raises:
        MissingError: Parquet without pyarrow. ConfigError: the file cannot be written.
    """
    types = columns(db, VIEWS[what])
    with _replacing(path) as partial, ExitStack() as stack:
        if format == "parquet":
            return _parquet(_batches(db, VIEWS[what]), types, partial)
        newline = "" if format == "csv" else "\n"
        file = stack.enter_context(partial.open("w", encoding="utf-8", newline=newline))
        return write_text(db, what, format, file)


def write_text(db: Database, what: str, format: Literal["csv", "jsonl"], file: TextIO) -> int:
    """As `export`, to an open text file."""
    view, rows = VIEWS[what], 0
    names = list(columns(db, view))
    table = csv.writer(file, lineterminator="\n")
    if format == "csv":
        table.writerow(names)
    for batch in _batches(db, view):
        if format == "csv":
            table.writerows(batch)
        else:
            file.writelines(
                json.dumps(dict(zip(names, row, strict=True)), allow_nan=False) + "\n"
                for row in batch
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


def _parquet(batches: Iterator[list[Row]], types: dict[str, str], path: Path) -> int:
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


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file to write beside ``path``, which takes its place once the block is through."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        _remove_leftovers(path)
        with partial.open("wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # as long as this process lives
            yield partial
            os.fsync(held.fileno())
            partial.replace(path)
    except OSError as error:
        raise ConfigError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            hint="make room, or name another file",
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _remove_leftovers(path: Path) -> None:
    """Remove what exports to ``path`` that were killed had written."""
    name = re.compile(rf"\.{re.escape(path.name)}\.\d+\.partial")
    for file in [file for file in path.parent.iterdir() if name.fullmatch(file.name)]:
        with suppress(OSError), file.open("rb") as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink()
