"""``harness export``: files that say what the views say, bit by bit."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import signal
import sqlite3
import subprocess
import sys

import pytest

from harness.store import export as exports

WHAT = {
    "outcomes": "samples",
    "clean": "clean_predictions",
    "readings": "readings",
    "transfers": "transfer_samples",
    "pairs": "transfer_pairs",
    "leaderboard": "leaderboard_rows",
}
TRANSFERS = """
INSERT INTO adaptations VALUES (1, 28, 28, 'null', 'none');
INSERT INTO pairs
SELECT 1, cells.id, own.id, 1 FROM cells JOIN cells AS own
WHERE cells.label LIKE 'ifgsm%' AND own.label = 'clean' AND own.model_id <> cells.model_id LIMIT 1;
INSERT INTO transfers SELECT 1, image_id, CASE image_id % 3 WHEN 0 THEN NULL ELSE 4 END, 2
FROM outcomes JOIN pairs ON source_cell_id = cell_id WHERE status IN ('broken', 'robust');
"""


@pytest.fixture(autouse=True)
def _filled(kept_run, monkeypatch):
    with sqlite3.connect(kept_run) as db:
        db.executescript(TRANSFERS)
    monkeypatch.setattr(exports, "BATCH", 7)


def view(path, what):
    """Columns and rows of a view."""
    with sqlite3.connect(path) as db:
        cursor = db.execute(f"SELECT * FROM {WHAT[what]}")
        rows = cursor.fetchall()
    assert rows
    return [column[0] for column in cursor.description], rows


@pytest.mark.parametrize("what", WHAT)
def test_jsonl_and_csv(harness, kept_run, what):
    names, rows = view(kept_run, what)
    done = harness("export", "--what", what, "-o", "x.jsonl")
    assert (done.code, done.out) == (0, ""), done.err
    assert f"{len(rows)} rows of {WHAT[what]}" in done.err
    lines = kept_run.with_name("x.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        dict(zip(names, row, strict=True)) for row in rows
    ]
    printed = harness("export", "--what", what, "--format", "jsonl", "-o", "-")
    assert printed.out.splitlines() == lines
    printed = harness("export", "--what", what, "--format", "csv", "-o", "-")
    assert harness("export", "--what", what, "-o", "x.csv").code == 0
    assert kept_run.with_name("x.csv").read_text() == printed.out
    first, *table = csv.reader(io.StringIO(printed.out))
    assert first == names
    assert table == [
        ["" if value is None else repr(value) if isinstance(value, float) else str(value)
         for value in row] for row in rows
    ]  # fmt: skip


@pytest.mark.parametrize("what", WHAT)
def test_parquet(harness, kept_run, what):
    parquet = pytest.importorskip("pyarrow.parquet")
    names, rows = view(kept_run, what)
    assert harness("export", "--what", what, "-o", "x.parquet").code == 0
    table = parquet.read_table(kept_run.with_name("x.parquet"))
    assert table.column_names == names
    assert [tuple(row.values()) for row in table.to_pylist()] == rows
    # Types come from the schema alone: an empty database has the same ones.
    with sqlite3.connect(kept_run) as db:
        tables = ("transfers", "measurements", "arrays", "measured", "outcomes", "clean")
        for name in tables:
            db.execute(f"DELETE FROM {name}")
    assert harness("export", "--what", what, "-o", "empty.parquet").code == 0
    empty = parquet.read_table(kept_run.with_name("empty.parquet"))
    assert empty.num_rows == 0
    assert empty.schema == table.schema


def test_bad_input(harness, kept_run, monkeypatch):
    assert harness("export", "-o", "x.txt").code == 2
    assert "--format" in harness("export", "-o", "-").err
    assert harness("export", "--format", "parquet", "-o", "-").code == 2
    gone = harness("export", "-o", "no/x.csv")
    assert (gone.code, gone.err.count("\n")) == (2, 1)
    assert harness("export", "--db", "no.db", "-o", "x.csv").code == 5
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    missing = harness("export", "-o", "x.parquet")
    assert missing.code == 3
    assert "frontier-harness[imagenet]" in missing.err
    assert not list(kept_run.parent.glob("*x.*"))


def test_a_file_is_whole_or_the_old_one(harness, kept_run, monkeypatch):
    path = kept_run.with_name("x.csv")
    path.write_text("before")
    batches = exports._batches

    def broken(db, view):
        yield next(batches(db, view))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports, "_batches", broken)
    done = harness("export", "-o", path)
    assert done.code == 2
    assert "No space left" in done.err
    assert path.read_text() == "before"
    assert [file.name for file in kept_run.parent.glob("*x.csv*")] == ["x.csv"]
    assert not list(kept_run.parent.glob(".x*"))


DYING = """
import os, signal, sys
from harness.cli.main import main
from harness.store import export
batches = export._batches
def dying(*arguments):
    yield from batches(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
export._batches = dying
main(sys.argv[1:])
"""


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_what_a_killed_export_had_written_goes_with_the_next(harness, kept_run, format):
    output, folder = kept_run.with_name(f"x.{format}"), kept_run.parent
    arguments = ["export", "--db", str(kept_run), "-o", str(output)]
    killed = subprocess.run([sys.executable, "-c", DYING, *arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = folder.glob(".*.partial")
    assert not output.exists()
    living = folder / f".x.{format}.1.partial"
    another = folder / f".y.{format}.1.partial"
    another.touch()
    with living.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = harness(*arguments)
    assert done.code == 0, done.err
    assert output.exists()
    assert not left.exists()
    assert living.exists()
    assert another.exists()
