"""docs/database.md against the database: every column, and every query on a real one."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "database.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", TEXT, re.S)


def test_every_table_and_view_with_all_columns(kept_run):
    documented = {
        name: re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", section, re.M)))
        for name, section in re.findall(r"^### (\w+)\n(.*?)(?=^##)", TEXT, re.S | re.M)
    }
    with sqlite3.connect(kept_run) as db:
        names = db.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
            " AND substr(name, 1, 1) <> '_'"
        ).fetchall()
        columns = {
            name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")] for (name,) in names
        }
    assert documented == columns


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_every_query(kept_run, query):
    with sqlite3.connect(kept_run) as db:
        rows = db.execute(query).fetchall()
    # A run without transfers and errors answers the rest.
    assert rows or "transfer_pairs" in query or "'invalid', 'error'" in query
    assert len(QUERIES) == 9


def test_the_pareto_query(kept_run):
    (query,) = (query for query in QUERIES if "NOT EXISTS" in query)
    with sqlite3.connect(kept_run) as db:
        found = set(db.execute(query).fetchall())
        rows = db.execute(
            "SELECT attack_label, goal, model, top1, distortion_mean FROM leaderboard_rows"
            " WHERE broken > 0"
        ).fetchall()
    expected = {
        row
        for row in rows
        if not any(
            other[:2] == row[:2] and other[3] >= row[3] and other[4] >= row[4] and other != row
            for other in rows
        )
    }
    assert found == expected
