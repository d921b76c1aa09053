"""Two databases become one: halves give the whole, twice is once, and what disagrees is told."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import store_toy as toy
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from harness.api import Goal, Measured, Status
from harness.errors import ConfigError, StoreError
from harness.planning import Component, PlannedMeasurement, plan_cells
from harness.store.artifacts import folder_of, load
from harness.store.database import reading
from harness.store.merge import merge as merging
from harness.store.merge.merge import EPISODES, RELATIONS, merge
from harness.store.merge.rows import KEYS, RESULTS
from harness.store.schema.migrations import migrations
from harness.store.write.writer import Writer

OTHER = Component("web", {"weights": "v"}, {"shape": list(toy.SHAPE), "family": "webs"})
CLEVER = PlannedMeasurement(
    Component("clever", {"name": "clever", "version": "1", "parameters": {}}, {"plugin": "p"}),
    *("clever", (Goal.RANDOM,), None),
)
PLAN = toy.toy_plan(models=(toy.MODEL, OTHER), goals=(Goal.RANDOM, Goal.UNTARGETED))
MEASURED = plan_cells(
    models=(toy.MODEL,),
    attacks=(),
    measurements=(CLEVER,),
    dataset=toy.DATASET,
    images=PLAN.cells[0].images,
    clean_images=None,
    seed=0,
    policy=PLAN.cells[0].policy,
)[1]
PLAN = replace(PLAN, cells=(*PLAN.cells, MEASURED))
TRANSFERS = """
INSERT INTO adaptations VALUES (1, 2, 2, 'null', 'white');
INSERT INTO pairs SELECT 1, c.id, t.id, 1 FROM cells c, cells t
  WHERE c.attack_id NOT NULL AND t.attack_id IS NULL AND c.model_id <> t.model_id LIMIT 1;
INSERT INTO transfers SELECT 1, image_id, image_id % 3, 0 FROM outcomes
  WHERE cell_id = (SELECT source_cell_id FROM pairs) AND status IN ('broken', 'robust');
INSERT INTO adapted_clean SELECT target_cell_id, 1, images.id, 3 FROM pairs, images;
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two models, two goals, six images: outcomes with kept images, numbers, transfers."""
    path = tmp_path_factory.mktemp("whole") / "whole.db"
    with Writer.open(path, command=["x"]) as writer:
        run = toy.begin(writer, PLAN)
        for place, cell in enumerate(PLAN.cells):
            number = toy.attempt(writer, PLAN, cell=place, run=run)
            if cell.measurement:
                writer.write_measured(number, [measured(i) for i in range(6)])
            elif cell.attack:
                toy.keep_and_write(writer, number, cell.key, *range(4))
                writer.write_outcomes(number, [toy.outcome(4, numbers={"epsilon": 0.2 + place})])
                writer.write_outcomes(number, [toy.outcome(5, Status.ROBUST)])
                writer.artifacts.seal(cell.key)
            else:
                writer.write_clean(number, [toy.clean(i) for i in range(6)])
            writer.finish_attempt(
                number, status="done", seconds=place + 0.5, halvings=0, error=None
            )
            metric = "l2.score" if cell.measurement else "success"
            writer.write_scores(run, cell.key, {metric: (0.5, 6, "%")})
        writer.finish_run(run, status="done", exit_code=0)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(TRANSFERS)
    return path


def measured(i):
    numbers, arrays = {"l2.score": 1.0 + i, "l2.p": 0.5}, {"l2": np.ones(1, "<f4")}
    return Measured(image_id=toy.name(i), status=Status.MEASURED, numbers=numbers, arrays=arrays)


def copy(path, to):
    shutil.copy(path, to)
    shutil.copytree(folder_of(path), folder_of(to), dirs_exist_ok=True)
    return to


def sql(path, statement, *values):
    with closing(sqlite3.connect(path)) as db, db:
        return db.execute(statement, values).fetchall()


def content(path):
    """Everything that is stored, without its ids; kept images bit by bit."""
    views = ("samples", "clean_predictions", "readings", "transfer_samples", "cells_named")
    with reading(path) as db:
        found = {view: sorted(map(repr, db.execute(f"SELECT * FROM {view}"))) for view in views}
        kept = db.execute(
            "SELECT cells.key, images.name, artifact_id, artifact_row FROM outcomes"
            " JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id"
            " WHERE artifact_id IS NOT NULL"
        ).fetchall()
        found["kept"] = sorted((*row[:2], load(db, *row[2:]).tobytes()) for row in kept)
        found["numbers"] = sorted(
            db.execute(
                "SELECT cells.key, images.name, m.name, m.value FROM measurements m"
                " JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id"
            ).fetchall()
        )
        found["attempts"] = sorted(
            db.execute(
                "SELECT cells.key, attempts.seconds, runs.suite, facts, count(outcomes.image_id)"
                " FROM attempts JOIN cells ON cells.id = attempts.cell_id"
                " JOIN runs ON runs.id = run_id JOIN environments ON environments.id ="
                " environment_id LEFT JOIN outcomes ON outcomes.attempt_id = attempts.id"
                " GROUP BY attempts.id"
            ).fetchall(),
            key=repr,
        )
        for table in (*RELATIONS, *EPISODES, "arrays", "adapted_clean"):
            found[table] = db.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert not db.execute("PRAGMA foreign_key_check").fetchall()
    return found


def dump(path):
    """Everything, ids included."""
    with closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


def keep_only(path, table, key, kept):
    """Delete the results of a table whose place is not in ``kept``."""
    where = " AND ".join(f"{name} = ?" for name in key)
    tables = (table, "measurements", "arrays") if table in ("outcomes", "measured") else (table,)
    with closing(sqlite3.connect(path)) as db, db:
        rows = db.execute(f"SELECT {', '.join(key)} FROM {table} ORDER BY 1, 2").fetchall()
        gone = [row for place, row in enumerate(rows) if place not in kept]
        for each in tables:
            db.executemany(f"DELETE FROM {each} WHERE {where}", gone)


def files(path):
    return sorted(file.name for file in folder_of(path).glob("*.safetensors"))


def test_every_table_is_thought_of():
    db = Database(memory=True)
    migrations.apply(db)
    results = {results.table for results in RESULTS}
    known = {*KEYS, *EPISODES, *RELATIONS, *results, "artifacts", "measurements", "arrays"}
    assert {name for name in db.table_names() if not name.startswith("_")} == known


PLACES = st.sets(st.integers(0, 23))


@settings(max_examples=12, deadline=None)
@given(left=st.tuples(*[PLACES] * 5), both=st.tuples(*[PLACES] * 5))
def test_two_parts_give_the_whole(whole, left, both):
    """Each row goes to the left, the right or both; either way round it is the whole again."""
    with tempfile.TemporaryDirectory() as folder:
        one, two = (copy(whole, Path(folder) / name) for name in ("left.db", "right.db"))
        for results, mine, shared in zip(RESULTS, left, both, strict=True):
            keep_only(one, results.table, results.key, mine | shared)
            keep_only(two, results.table, results.key, set(range(24)) - mine | shared)
        back = copy(two, Path(folder) / "back.db")
        merged = merge(one, two, command=["x"])
        assert not merged.conflicts
        assert content(one) == content(whole)
        before = dump(one)
        again = merge(one, two, command=["x"])
        assert not any(count.added or count.replaced for count in again.counts)
        assert dump(one) == before
        merge(back, one, command=["x"])
        assert content(back) == content(whole)


def test_into_nothing(whole, tmp_path):
    path = tmp_path / "new.db"
    merge(path, whole, command=["x"])
    assert content(path) == content(whole)
    assert files(path) == files(whole)


def test_two_runs_stay_two(whole, tmp_path):
    """Ids that mean other things, images in another order, a run with images of its own."""
    path = tmp_path / "h.db"
    with Writer.open(path, command=["x"]) as writer:
        plan = toy.toy_plan(images=9, models=(OTHER,))
        number = toy.attempt(writer, plan)
        toy.keep_and_write(writer, number, plan.cells[1].key, 8, 0, 7)
        writer.artifacts.seal(plan.cells[1].key)
    merged = merge(path, whole, command=["x"])
    counts = {count.table: count for count in merged.counts}
    assert (counts["runs"].added, counts["images"].equal, counts["cells"].equal) == (1, 6, 2)
    assert sql(path, "SELECT run_id, count(*) FROM run_images GROUP BY 1") == [(1, 9), (2, 6)]
    assert sql(path, "SELECT status FROM runs") == [("interrupted",), ("done",)]
    with reading(path) as db:
        rows = db.execute(
            "SELECT images.name, artifact_id, artifact_row FROM outcomes"
            " JOIN images ON images.id = image_id WHERE artifact_id IS NOT NULL"
        ).fetchall()
        assert len(rows) == 4 * 4 + 2
        for name, *place in rows:
            assert (load(db, *place) == int(name[-4:])).all()


@pytest.mark.parametrize(
    ("table", "change", "verdict", "words"),
    [
        ("outcomes", "predicted = 5", "conflicts", "predicted 3 here, 5 there"),
        ("outcomes", "status = 'robust'", "conflicts", "status broken here, robust there"),
        ("outcomes", "l2 = 0.20003", "conflicts", "l2 0.2 here, 0.20003 there"),
        ("outcomes", "l2 = NULL", "conflicts", "l2 0.2 here, none there"),
        ("outcomes", "l2 = 0.20001, margin = 0.6, forwards = 9", "noise", ""),
        ("outcomes", "status = 'error', predicted = NULL", "left", ""),
        ("outcomes", "confident = 1", "equal", ""),
        ("measured", "status = 'clean_wrong'", "conflicts", "status measured here"),
        ("measured", "forwards = 7", "noise", ""),
        ("measurements", "value = value * 1.0005", "noise", ""),
        ("measurements", "value = value + (name = 'l2.p')", "noise", ""),
        ("measurements", "value = value * 1.01", "conflicts", "other scores"),
        ("clean", "predicted = 9", "conflicts", "predicted"),
        ("clean", "margin = 0.99", "noise", ""),
        ("clean", "likeliest = '[0,2]'", "equal", ""),  # stored by an earlier version here
        ("clean", "error = 'x', predicted = NULL", "left", ""),
    ],
)
def test_another_result(whole, tmp_path, table, change, verdict, words):
    here, there = copy(whole, tmp_path / "here.db"), copy(whole, tmp_path / "there.db")
    cell = {"clean": 1, "outcomes": 2}.get(table, len(PLAN.cells))
    sql(there, f"UPDATE {table} SET {change} WHERE cell_id = {cell} AND image_id = 1")
    results = "measured" if table == "measurements" else table
    before = content(here)
    merged = merge(here, there, command=["x"])
    (count,) = (count for count in merged.counts if count.table == results)
    everything = sql(here, f"SELECT count(*) FROM {results}")[0][0]
    assert getattr(count, verdict) == (everything if verdict == "equal" else 1)
    assert content(here) == before  # whatever it was, the target's row stayed
    assert [words in str(conflict) for conflict in merged.conflicts] == [True] * count.conflicts
    if count.conflicts:
        key, name = sql(
            here, "SELECT key, name FROM cells, images WHERE cells.id = ? AND images.id = 1", cell
        )[0]
        assert merged.conflicts[0].cell == key
        assert f"image {name}" in str(merged.conflicts[0])


@pytest.mark.parametrize("status", ["error", "invalid"])
def test_good_rows_replace_failed_ones(whole, tmp_path, status):
    here = copy(whole, tmp_path / "here.db")
    sql(here, f"UPDATE outcomes SET status = '{status}', predicted = NULL WHERE image_id = 5")
    sql(here, "UPDATE measurements SET value = 99 WHERE image_id = 5 AND name = 'epsilon'")
    sql(here, f"UPDATE measured SET status = '{status}' WHERE image_id = 5")
    sql(here, "UPDATE measurements SET value = 99 WHERE image_id = 5 AND name = 'l2.score'")
    sql(here, "UPDATE clean SET error = 'x', predicted = NULL WHERE image_id = 5")
    sql(here, "UPDATE transfers SET predicted = NULL WHERE image_id = 5")
    merged = merge(here, whole, command=["x"])
    counts = {count.table: count.replaced for count in merged.counts if count.replaced}
    assert counts == {"outcomes": 4, "measured": 1, "clean": 2, "transfers": 1}
    assert content(here) == content(whole)


def test_transfers_of_another_candidate_are_not_taken(whole, tmp_path):
    here, there = copy(whole, tmp_path / "here.db"), copy(whole, tmp_path / "there.db")
    sql(there, "UPDATE outcomes SET predicted = 5 WHERE image_id = 1")
    sql(here, "DELETE FROM transfers")
    merged = merge(here, there, command=["x"])
    (count,) = (count for count in merged.counts if count.table == "transfers")
    assert (count.added, count.left) == (5, 1)
    sql(there, "UPDATE transfers SET predicted = 8 WHERE image_id = 2")
    sql(there, "UPDATE transfers SET rank = 1 WHERE image_id = 3")
    merged = merge(here, there, command=["x"])
    (conflict,) = (each for each in merged.conflicts if each.table == "transfers")
    assert " on web clean" in str(conflict)
    assert "predicted 2 here, 8 there" in str(conflict)


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_without_a_file_nothing_is_merged(whole, tmp_path, damage):
    there, here = copy(whole, tmp_path / "there.db"), tmp_path / "here.db"
    last = folder_of(there) / files(there)[-1]
    last.unlink() if damage == "missing" else last.write_bytes(last.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match=last.name):
        merge(here, there, command=["x"])
    assert not any(folder_of(here).glob("*"))
    assert sql(here, "SELECT count(*) FROM cells") == [(0,)]


def test_an_open_shard_is_refused(whole, tmp_path):
    there = copy(whole, tmp_path / "there.db")
    sql(there, "UPDATE artifacts SET sha256 = NULL")
    with pytest.raises(StoreError, match="open shard"):
        merge(tmp_path / "here.db", there, command=["x"])


def test_no_file_is_written_outside_the_folder(whole, tmp_path):
    there = copy(whole, tmp_path / "there.db")
    sql(there, "UPDATE artifacts SET path = '../../' || path")
    with pytest.raises(StoreError, match="no file of saved images named"):
        merge(tmp_path / "here.db", there, command=["x"])
    assert not folder_of(tmp_path / "here.db").exists()


def test_a_folder_that_may_not_be_read_is_named(whole, tmp_path, children):
    there = copy(whole, tmp_path / "there.db")
    folder_of(there).chmod(0o000)
    try:
        done = children.run("verb", "merge", there, "--db", tmp_path / "h.db", unprivileged=True)
    finally:
        folder_of(there).chmod(0o755)
    assert done.returncode == 5, done.stderr
    assert done.stderr.count("\n") == 1
    assert f"{folder_of(there)}/" in done.stderr
    assert "Permission denied" in done.stderr


def test_the_same_newer_and_missing_files(whole, tmp_path):
    here = copy(whole, tmp_path / "here.db")
    tmp_path.joinpath("link.db").symlink_to(here)
    for name in ("here.db", "link.db"):
        with pytest.raises(ConfigError, match="to merge into"):
            merge(here, tmp_path / name, command=["x"])
    with pytest.raises(StoreError, match="no such database"):
        merge(tmp_path / "new.db", tmp_path / "no.db", command=["x"])
    newer = copy(whole, tmp_path / "newer.db")
    sql(newer, "UPDATE _sqlite_migrations SET name = 'm999' WHERE name = 'm005_named'")
    with pytest.raises(StoreError, match="newer version"):
        merge(tmp_path / "new.db", newer, command=["x"])
    assert not tmp_path.joinpath("new.db").exists()


def test_a_file_that_is_written_is_refused(whole, tmp_path, children):
    there = copy(whole, tmp_path / "there.db")
    children.start("hold", there)
    with pytest.raises(StoreError, match="a run is writing it"):
        merge(tmp_path / "here.db", there, command=["x"])
    with pytest.raises(StoreError, match="busy"):
        merge(there, whole, command=["x"])


def test_a_failure_leaves_everything_as_it_was(whole, tmp_path, monkeypatch):
    here = tmp_path / "here.db"
    merge(here, copy(whole, tmp_path / "there.db"), command=["x"])
    keep_only(here, "outcomes", ("cell_id", "image_id"), set())
    before = dump(here)

    def broken(connection, results):
        if results.table == "transfers":
            raise RuntimeError
        taken(connection, results)

    taken = merging.take
    monkeypatch.setattr(merging, "take", broken)
    with pytest.raises(RuntimeError):
        merge(here, whole, command=["x"])
    assert dump(here) == before


def test_the_command(whole, tmp_path, children):
    here, there = copy(whole, tmp_path / "here.db"), copy(whole, tmp_path / "there.db")
    sql(there, "UPDATE outcomes SET predicted = 5 WHERE cell_id = 2 AND image_id = 1")
    done = children.run("verb", "merge", there, "--db", here, "--format", "json")
    assert done.returncode == 1
    rows = {row["table"]: row for row in json.loads(done.stdout)}
    assert rows["outcomes"]["conflicts"] == 1
    assert done.stderr.startswith("conflict: outcomes: cell ")
    assert done.stderr.count("\n") == 1
    assert children.run("verb", "merge", whole, "--db", here).returncode == 0


def test_from_a_folder_that_cannot_be_written(whole, locked, children):
    there = copy(whole, locked / "there.db")
    here = locked / "sub" / "here.db"
    here.parent.mkdir()
    locked.chmod(0o555)
    done = children.run("verb", "merge", there, "--db", here, unprivileged=True)
    assert done.returncode == 0, done.stderr
    assert content(here) == content(whole)


def test_a_mended_label_is_another_image_and_no_conflict(tmp_path, whole):
    """The other database computed the same pictures under the labels that were right."""
    here, other = copy(whole, tmp_path / "h.db"), copy(whole, tmp_path / "other.db")
    sql(other, "UPDATE images SET label = label + 1")
    sql(other, "UPDATE outcomes SET predicted = 9, status = 'robust'")
    merged = merge(here, other, command=["x"])
    assert merged.conflicts == ()
    assert {row.table: row.added for row in merged.counts}["images"] == 6
    labels = sql(here, "SELECT name, label FROM images ORDER BY id")
    assert labels == [(toy.name(i % 6), i % 6 + i // 6) for i in range(12)]
    statuses = sql(here, "SELECT status, count(*) FROM outcomes GROUP BY 1")
    half = sql(other, "SELECT count(*) FROM outcomes")[0][0]
    assert dict(statuses)["robust"] >= half


def test_a_merge_killed_at_any_step_leaves_nothing_behind(whole, tmp_path, children):
    there = copy(whole, tmp_path / "there.db")
    folder = tmp_path / "killed"
    folder.mkdir()
    made = children.run("merges_killed_at_each_step", folder, there)
    assert made.returncode == 0, made.stderr
    paths = sorted(folder.glob("*.db"))
    assert len(paths) > 15
    left, whole_ones = 0, 0
    for number, path in enumerate(paths):
        left += len(kept_files(path))
        Writer.open(path, command=["x"]).close()
        named = {name for (name,) in sql(path, "SELECT path FROM artifacts")}
        assert kept_files(path) == named
        whole_ones += bool(named)
        if number % 4 == 0:
            merge(path, there, command=["x"])
            assert content(path) == content(there)
    assert left > 0
    assert 0 < whole_ones < len(paths)


def kept_files(path):
    return {file.name for file in folder_of(path).glob("*") if file.is_file()}


def test_runs_of_one_second_are_two_runs(tmp_path):
    """As of an array job, whose members begin together with one command line."""
    for place in ("a.db", "b.db"):
        with Writer.open(tmp_path / place, command=["x"]) as writer:
            writer.finish_run(toy.begin(writer, PLAN), status="done", exit_code=0)
    merge(tmp_path / "a.db", tmp_path / "b.db", command=["x"])
    with reading(tmp_path / "a.db") as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (2,)
