"""docs/database.md against the database: every column, and every query against a board."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from statistics import fmean

import database_toy
import pytest

from harness.analysis.columns import Choice
from harness.analysis.leaderboard import leaderboard
from harness.analysis.optimality import contest
from harness.analysis.results import Results
from harness.analysis.transfer.matrix import transfer_matrix

TEXT = (Path(__file__).parents[2] / "docs" / "database.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", TEXT, re.S)


def test_every_table_and_view_with_all_columns(kept_run):
    documented = {
        name: re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", section, re.M)))
        for name, section in re.findall(r"^### (\w+)\n(.*?)(?=^##)", TEXT, re.S | re.M)
    }
    with closing(sqlite3.connect(kept_run)) as db:
        names = db.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
            " AND substr(name, 1, 1) <> '_'"
        ).fetchall()
        columns = {
            name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")] for (name,) in names
        }
    assert documented == columns


@pytest.fixture(scope="module")
def db(whole_study):
    with closing(sqlite3.connect(f"file:{whole_study}?mode=ro", uri=True)) as connection:
        yield connection


@pytest.fixture
def ask(db):
    """The rows of the one documented query that holds a text."""

    def rows(text):
        (query,) = (query for query in QUERIES if text in query)
        return db.execute(query).fetchall()

    return rows


@pytest.fixture(scope="module")
def boards(db):
    """Every board of the suite, by attack and goal."""
    pairs = db.execute("SELECT DISTINCT attack_label, goal FROM leaderboard_rows").fetchall()
    suite = Results(db).suite()
    return {pair: leaderboard(suite, Choice(attack=pair[0], goal=pair[1])) for pair in pairs}


def test_there_are_no_other_queries():
    assert len(QUERIES) == 9


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_no_query_takes_long(db, query):
    assert database_toy.steps(db, query) < 22  # 0.3 s


def test_distortions_do_not_mix_configurations(ask, boards):
    expected = {
        (entry.model, label): (place.attack.mean, place.attack.broken)
        for (label, goal), board in boards.items()
        for entry, place in board.rows
        if goal == "random" and board.trial.attack.name == "ifgsm"
    }
    assert len(expected) == 18 * 4
    found = {(model, label): (mean, count) for model, label, mean, count in ask("avg(linf)")}
    assert found == {key: (pytest.approx(mean), n) for key, (mean, n) in expected.items()}


def test_the_frontiers(ask, boards):
    expected = {
        (label, goal, point.name)
        for (label, goal), board in boards.items()
        for point in board.column.frontier.members
        if not board.trial.attack.fixed  # whose frontier is of robust accuracy
    }
    assert expected
    rows = ask("NOT EXISTS")
    assert {row[:3] for row in rows} == expected
    for label, goal, model, top1, mean in rows:
        ((entry, place),) = (row for row in boards[label, goal].rows if row[0].model == model)
        assert (top1, mean) == (pytest.approx(entry.top1), pytest.approx(place.robustness))


def test_what_no_attack_breaks(ask, db):
    tried, broken = Counter(), set()
    query = "SELECT model, goal, image_id, status FROM samples"
    for model, goal, image, status in db.execute(f"{query} WHERE status IN ('robust', 'broken')"):
        tried[model, goal, image] += 1
        broken |= {(model, goal, image)} if status == "broken" else set()
    rows = ask("sum(status = 'broken') = 0")
    assert {row[:3]: row[4] for row in rows} == {
        key: count for key, count in tried.items() if key not in broken
    }
    assert rows


def test_passes(ask, db):
    expected = {
        (row.trial.attack.label, row.trial.goal, row.trial.seed): (
            row.outcomes.forwards,
            row.outcomes.backwards,
        )
        for row in contest(Results(db).suite()).rows
    }
    rows = {tuple(row[:3]): row[3:] for row in ask("avg(forwards)")}
    assert rows == {key: pytest.approx(value) for key, value in expected.items()}


def test_clever_beside_attacks(ask, boards):
    rows = ask("'l2.score'")
    for goal in ("random", "least-likely"):
        for entry in boards["cw", goal].entries:
            scores = boards["cw", goal].scores[entry.model]
            (reading,) = (each for each in scores if each.title == "clever l2.score")
            mine = [row for row in rows if (row[0], row[2]) == (entry.model, goal)]
            assert len(mine) == reading.bound.images > 0
            assert fmean(row[4] for row in mine) == pytest.approx(reading.bound.score)
            assert fmean(row[5] for row in mine) == pytest.approx(reading.bound.smallest)
            assert sum(row[4] > row[5] for row in mine) == reading.bound.exceeding


def test_transfers(ask, db):
    rows = {tuple(row[:3]): row[3:] for row in ask("error_rate")}
    labels = {label for *_, label in rows}
    assert len(labels) == 8
    for label in labels:
        matrix = transfer_matrix(Results(db).suite(), attack=label, goal="untargeted")
        for (source, target), cell in matrix.cells.items():
            if source != target:
                rate, clean = rows[source, target, label]
                assert rate == pytest.approx(cell.rate.hits / cell.rate.images)
                assert clean == pytest.approx(cell.clean_error.hits / cell.clean_error.images)
    assert len(rows) == 8 * 18 * 17


def test_what_there_is_and_what_failed(ask, db, boards):
    assert len(ask("cells_named")) == db.execute("SELECT count(*) FROM run_cells").fetchone()[0]
    failed = Counter()
    for model, label, goal, status, _, count in ask("'invalid', 'error'"):
        failed[model, label, goal, status] += count
    assert failed == {
        (entry.model, label, goal, "error"): place.attack.count("error")
        for (label, goal), board in boards.items()
        for entry, place in board.rows
        if place.attack.count("error")
    }
    assert failed


def test_time(ask, db):
    assert ask("FROM attempts") == [("cpu", len(ask("cells_named")), None)]
