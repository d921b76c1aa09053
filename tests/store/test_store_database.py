"""Opening: migrations from empty, and every kind of file that is refused with one line."""

from __future__ import annotations

import hashlib
import sqlite3

import pytest
import store_toy as toy
from sqlite_utils import Database

from harness.api import Status, Verdict
from harness.errors import ExitCode, StoreError
from harness.store import database
from harness.store.database import open_readonly, open_writable, path_of, reading
from harness.store.read.pending import cell_rows, done_results
from harness.store.schema.migrations import migrations
from harness.store.write.planned import insert_run
from harness.store.write.writer import Writer


def refused(open_it, path):
    with pytest.raises(StoreError) as caught:
        open_it(path).close()
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    assert caught.value.hint
    assert caught.value.exit_code == ExitCode.STORE
    return line


def filled(path):
    with Writer.open(path, command=["x"]) as writer:
        writer.write_outcomes(toy.attempt(writer, toy.toy_plan()), [toy.outcome(0)])
    return path


def statuses(path):
    with reading(path) as db:
        return [row[0] for row in db.execute("SELECT status FROM outcomes")]


def integrity(path):
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_an_empty_file_and_no_file_become_a_database(tmp_path):
    (tmp_path / "empty.db").touch()
    for name in ("empty.db", "new.db", "a name with % and ?.db"):
        db = open_writable(tmp_path / name)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA foreign_keys").fetchone() == (1,)
        tables = db.execute("SELECT name, strict FROM pragma_table_list WHERE type = 'table'")
        ours = [row for row in tables if not row[0].startswith(("sqlite_", "_sqlite_"))]
        assert len(ours) >= 14
        assert all(strict for _, strict in ours)
        db.close()
        open_writable(tmp_path / name).close()  # nothing to migrate
        assert (tmp_path / name).exists()


def test_the_samples_view(tmp_path):
    filled(tmp_path / "h.db")
    with reading(tmp_path / "h.db") as db:
        (row,) = db.query("SELECT * FROM samples")
    wanted = "cell_key model attack goal image_id label target status linf l2 l1 forwards backwards"
    assert set(wanted.split()) <= row.keys()
    assert (row["model"], row["attack"], row["goal"]) == ("net", "fgsm", "random")
    assert (row["image_id"], row["label"], row["target"]) == (toy.name(0), 0, 3)
    assert row["cell_key"] == toy.toy_plan().cells[1].key


def test_a_text_file_is_refused_and_stays(tmp_path):
    for text in ("no database\n", "x" * 10_000):
        path = tmp_path / "notes.txt"
        path.write_text(text)
        assert "not an SQLite database" in refused(open_writable, path)
        assert "not an SQLite database" in refused(open_readonly, path)
        assert path.read_text() == text


def test_another_programs_database_is_refused_and_stays(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    before = path.read_bytes()
    assert "something else" in refused(open_writable, path)
    assert "something else" in refused(open_readonly, path)
    assert path.read_bytes() == before


def test_a_newer_version_is_refused_by_name(tmp_path):
    path = filled(tmp_path / "h.db")
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('harness', 'm999_future', '')"
        )
    for open_it in (open_writable, open_readonly):
        line = refused(open_it, path)
        assert "newer version" in line
        assert "m999_future" in line
    integrity(path)


def test_an_empty_file_is_filled_by_writing_alone(tmp_path):
    path = tmp_path / "h.db"
    path.touch()
    assert "is empty; `harness run`" in refused(open_readonly, path)
    assert path.read_bytes() == b""
    open_writable(path).close()
    open_readonly(path).close()


FIRST_SCHEMA = "383fb37b43a55097e447c29f800794bf0667c450ff073ec3e0f1719303bb1dbf"
"""Of the tables of m001. Files of that version are in the world: append a migration instead."""


def version_1(path):
    """A file of the first version with one outcome, written as that version wrote it."""
    plan = toy.toy_plan()
    db = Database(path)
    migrations.apply(db, stop_before="m002_rounded")
    with db.conn as connection:
        connection.execute("CREATE VIEW samples AS SELECT linf AS old FROM outcomes")
        insert_run(
            connection,
            plan,
            environment={},
            command=["x"],
            images=toy.stored(plan),
            now="2026-01-01T00:00:00+00:00",
        )
        connection.execute(
            "INSERT INTO attempts (cell_id, run_id, started, status, device, batch_size)"
            " VALUES (2, 1, '', 'done', 'cpu', 4)"
        )
        connection.execute(
            "INSERT INTO outcomes (cell_id, image_id, attempt_id, status, confident, linf,"
            " forwards, backwards) VALUES (2, 1, 1, 'broken', 1, 0.1, 2, 1)"
        )
    db.close()
    return plan


def test_the_first_version_is_frozen():
    db = Database(memory=True)
    migrations.apply(db, stop_before="m002_rounded")
    made = db.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type <> 'view'"
        " AND name NOT LIKE '%sqlite%' ORDER BY name"
    )
    text = "\n".join(f"{name}: {sql}" for name, sql in made)
    assert hashlib.sha256(text.encode()).hexdigest() == FIRST_SCHEMA


def test_a_file_of_the_first_version_is_migrated_by_the_next_run_and_keeps_its_rows(tmp_path):
    path = tmp_path / "h.db"
    plan = version_1(path)
    before = path.read_bytes()
    with reading(path) as db:
        columns = "image_id, linf, rounded_status"
        assert db.execute(f"SELECT {columns} FROM samples").fetchall() == [(toy.name(0), 0.1, None)]
        assert path_of(db) == path
    assert path.read_bytes() == before
    key = plan.cells[1].key
    with Writer.open(path, command=["x"]) as writer:
        assert done_results(writer.db, key, "outcomes", retry_errors=False) == {
            (toy.name(0), f"{0:064x}", 0)
        }
        run = toy.begin(writer, plan)
        rounded = {"rounded_status": Status.ROBUST, "rounded_predicted": 1, "rounded_margin": -1.0}
        writer.write_outcomes(toy.attempt(writer, plan, run=run), [toy.outcome(1, **rounded)])
        found = cell_rows(writer.db, run, key).outcomes
        assert [(row.status, row.norms.linf, row.rounded) for row in found] == [
            (Status.BROKEN, 0.1, None),
            (Status.BROKEN, 0.101, Verdict(Status.ROBUST, 1, -1.0)),
        ]
    with reading(path) as db:
        columns = "image_id, linf, rounded_status, rounded_predicted, rounded_margin"
        assert db.execute(f"SELECT {columns} FROM samples").fetchall() == [
            (toy.name(0), 0.1, None, None, None), (toy.name(1), 0.101, "robust", 1, -1.0)
        ]  # fmt: skip
        assert db.execute("SELECT count(*) FROM leaderboard_rows").fetchone() == (1,)
    integrity(path)


def test_labels_join_the_identity_and_every_row_keeps_its_image(tmp_path):
    path, plan = tmp_path / "h.db", toy.toy_plan()
    version_1(path)
    db = Database(path)
    migrations.apply(db, stop_before="m006_labels")
    tables = [name for name in db.table_names() if not name.startswith("_")]
    columns = {name: ", ".join(column.name for column in db[name].columns) for name in tables}
    rows = {name: f"SELECT {columns[name]} FROM {name}" for name in tables}
    before = {name: db.execute(rows[name]).fetchall() for name in tables}
    db.close()
    with Writer.open(path, command=["x"]) as writer:
        assert {name: writer.db.execute(rows[name]).fetchall() for name in tables} == before
        mended = [image._replace(label=image.label + 1) for image in toy.stored(plan)]
        writer.begin_run(plan, environment={}, command=[], images=mended)
        assert writer.db.execute("SELECT count(*) FROM images").fetchone() == (12,)
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            writer.db.conn.execute("DELETE FROM images")
    with reading(path) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("SELECT count(*) FROM samples").fetchone() == (0,)
        stored = "SELECT label, latest FROM outcomes JOIN images ON images.id = image_id"
        assert db.execute(stored).fetchall() == [(0, 0)]
    integrity(path)


def test_a_rounded_verdict_is_robust_or_broken(tmp_path):
    path = filled(tmp_path / "h.db")
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute("UPDATE outcomes SET rounded_status = 'error'")


def test_a_missing_file_or_folder(tmp_path):
    assert "`harness run`" in refused(open_readonly, tmp_path / "none.db")
    assert "folder does not exist" in refused(open_writable, tmp_path / "none" / "h.db")
    assert not (tmp_path / "none.db").exists()


def test_a_damaged_file(tmp_path):
    path = filled(tmp_path / "h.db")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    assert "damaged" in refused(open_readonly, path)
    assert "damaged" in refused(open_writable, path)


def test_a_foreign_lock_is_told_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    path = filled(tmp_path / "h.db")
    foreign = sqlite3.connect(path, isolation_level=None)
    with Writer.open(path, command=["x"]) as writer:
        number = toy.attempt(writer, toy.toy_plan())
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another program"):
            writer.write_outcomes(number, [toy.outcome(1)])
        foreign.execute("ROLLBACK")
        writer.write_outcomes(number, [toy.outcome(1)])
    foreign.execute("BEGIN IMMEDIATE")
    assert "locked by another program" in refused(open_writable, path)
    foreign.close()
    assert statuses(path) == ["broken", "broken"]


def test_a_full_database_takes_nothing_of_the_transaction(tmp_path):
    path = tmp_path / "h.db"
    with Writer.open(path, command=["x"]) as writer:
        number = toy.attempt(writer, toy.toy_plan(images=5000))
        writer.write_outcomes(number, [toy.outcome(0)])
        (pages,) = writer.db.execute("PRAGMA page_count").fetchone()
        writer.db.execute(f"PRAGMA max_page_count = {pages + 3}")
        with pytest.raises(StoreError, match="full") as caught:
            writer.write_outcomes(number, [toy.outcome(i) for i in range(1, 5000)])
        assert caught.value.exit_code == ExitCode.STORE
        assert "goes on from there" in str(caught.value)
        assert writer.db.execute("SELECT count(*) FROM outcomes").fetchone() == (1,)
        writer.db.execute("PRAGMA max_page_count = 1000000")
        writer.write_outcomes(number, [toy.outcome(i) for i in range(1, 5000)])
    integrity(path)
    assert len(statuses(path)) == 5000


def test_reading_beside_a_writer_sees_what_is_committed(tmp_path):
    path = tmp_path / "h.db"
    with Writer.open(path, command=["x"]) as writer:
        number = toy.attempt(writer, toy.toy_plan())
        with reading(path) as db:
            writer.write_outcomes(number, [toy.outcome(0)])
            assert db.execute("SELECT count(*) FROM outcomes").fetchone() == (1,)
            with pytest.raises(StoreError, match="cannot be written"):
                writer_of(db)


def writer_of(db):
    with database.transaction(db) as connection:
        connection.execute("DELETE FROM outcomes")


def test_a_read_only_folder_can_be_read_and_not_written(locked, children):
    path = filled(locked / "h.db")
    before = sorted(file.name for file in locked.iterdir())
    locked.chmod(0o555)
    shown = children.run("verb", "status", "--db", path, unprivileged=True)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "1 of 12 images" in shown.stdout
    wrote = children.run("write", path, unprivileged=True)
    assert wrote.returncode == ExitCode.STORE
    assert str(path) in wrote.stderr
    assert wrote.stderr.count("\n") == 1
    assert sorted(file.name for file in locked.iterdir()) == before


def test_a_read_only_folder_with_unfinished_writes_is_not_read_wrongly(locked, children):
    """Without its -shm the -wal cannot be read there: better an error than old results."""
    path = locked / "h.db"
    child = children.start("die_in_transaction", path)
    child.kill()
    child.wait()
    (locked / "h.db-shm").unlink()
    locked.chmod(0o555)
    shown = children.run("verb", "status", "--db", path, unprivileged=True)
    assert shown.returncode == ExitCode.STORE
    assert "cannot be opened" in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_a_read_only_file_in_a_writable_folder(locked, children):
    path = filled(locked / "h.db")
    path.chmod(0o444)
    locked.chmod(0o777)
    wrote = children.run("write", path, unprivileged=True)
    assert wrote.returncode == ExitCode.STORE
    assert "cannot be written" in wrote.stderr
    assert wrote.stderr.count("\n") == 1
    assert statuses(path) == ["broken"]


def test_an_unreadable_file(locked, children):
    path = filled(locked / "h.db")
    path.chmod(0o000)
    shown = children.run("verb", "status", "--db", path, unprivileged=True)
    assert shown.returncode == ExitCode.STORE
    assert shown.stderr.count("\n") == 1
