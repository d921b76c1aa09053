"""The views for people: one text of each, in every database that is opened for writing."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import store_toy as toy

from harness.store.database import open_writable, reading
from harness.store.schema.views import views
from harness.store.write.writer import Writer


def stored(path):
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))


def change(path, *statements):
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "h.db"
    with Writer.open(path, command=["x"]) as writer:
        writer.write_outcomes(toy.attempt(writer, toy.toy_plan()), [toy.outcome(0)])
    return path


def test_a_new_database_has_them_all(path):
    assert stored(path) == views()
    assert set(views()) == {
        "samples", "clean_predictions", "leaderboard_rows", "readings", "transfer_samples",
        "transfer_pairs", "cells_named", "class_names",
    }  # fmt: skip
    with reading(path) as db:
        for name in views():
            db.execute(f"SELECT * FROM {name}").fetchall()


def test_another_text_gives_way_and_a_users_own_view_stays(path):
    mine = "CREATE VIEW mine AS SELECT model FROM samples"
    change(path, "DROP VIEW samples", "CREATE VIEW samples AS SELECT 1 AS model", mine)
    change(path, "DROP VIEW readings")
    with reading(path) as db:  # which changes nothing
        assert db.execute("SELECT * FROM mine").fetchall() == [(1,)]
    open_writable(path).close()
    assert stored(path) == {**views(), "mine": mine}
    with reading(path) as db:
        assert db.execute("SELECT * FROM mine").fetchall() == [("net",)]


def test_the_same_text_is_left_alone(path):
    before = path.read_bytes()
    open_writable(path).close()
    assert path.read_bytes() == before
