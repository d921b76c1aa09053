"""The same suite by several executors: statuses, distances and passes have to be the same.

    python benchmarks/equality.py --suite digits18 --executors inline,processes,ray

Prints the time of each run, and how the others differ from the first. Exit code 1 where a status, a
number of passes or a transfer differs.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TABLES = {
    "clean": "SELECT cells.key, images.name, predicted FROM clean",
    "outcomes": "SELECT cells.key, images.name, status, target, forwards, backwards FROM outcomes",
    "measured": "SELECT cells.key, images.name, status, forwards, backwards FROM measured",
}
"""What has to be equal, without what rounding may change."""
JOINS = " JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id"
TRANSFERS = """
SELECT sources.key, targets.key, images.name, predicted, rank FROM transfers
JOIN pairs ON pairs.id = pair_id JOIN cells AS sources ON sources.id = source_cell_id
JOIN cells AS targets ON targets.id = target_cell_id JOIN images ON images.id = image_id
"""
DISTANCES = "SELECT cells.key, images.name, l2 FROM outcomes" + JOINS + " WHERE l2 > 0"
SCORES = (
    "SELECT cells.key, images.name, measurements.name, value FROM measurements"
    + JOINS
    + " WHERE value != 0"
)


def run(suite: str, executor: str, db: Path, more: list[str]) -> float:
    """Seconds of a run on two workers, or with one in its own process."""
    devices = "cpu" if executor == "inline" else "cpu:2"
    command = ["run", "--suite", suite, "--executor", executor, "--devices", devices, *more]
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "harness", *command, "--db", str(db), "--progress", "plain"],
        check=True,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    return time.monotonic() - began


def rows(db: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        return sorted(connection.execute(query).fetchall())


def farthest(first: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> float:
    """The largest relative difference of the last columns of the same rows."""
    values = {row[:-1]: row[-1] for row in other}
    return max(
        (abs(row[-1] - values[row[:-1]]) / abs(row[-1]) for row in first if row[:-1] in values),
        default=0.0,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="digits18")
    parser.add_argument("--executors", default="inline,processes,ray")
    asked, more = parser.parse_known_args()
    executors, wrong = asked.executors.split(","), 0
    queries = {**{name: query + JOINS for name, query in TABLES.items()}, "transfers": TRANSFERS}
    with tempfile.TemporaryDirectory(prefix="equality-") as folder:
        databases = {name: Path(folder, f"{name}.db") for name in executors}
        for name, db in databases.items():
            print(f"{name}: {run(asked.suite, name, db, more):.0f} s", flush=True)
        first = databases[executors[0]]
        for name in executors[1:]:
            db = databases[name]
            for table, query in queries.items():
                here, there = rows(first, query), rows(db, query)
                differ = len(set(here) ^ set(there))
                wrong += differ
                print(f"{name}: {table}: {len(there)} rows, {differ} differ")
            print(
                f"{name}: l2 differs by {farthest(rows(first, DISTANCES), rows(db, DISTANCES)):.1e}"
            )
            scores = farthest(rows(first, SCORES), rows(db, SCORES))
            print(f"{name}: numbers of measurements differ by {scores:.1e}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
