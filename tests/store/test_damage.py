"""Damaged databases, and what is no database at all, before every verb: one line, never a hang."""

from __future__ import annotations

import lzma
import os
import shutil
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import store_toy as toy

from harness.errors import ExitCode, StoreError
from harness.store.database import damage_of, reading
from harness.store.write.writer import Writer

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from damage import CORRUPTIONS, damaged, verbs

HEAVY = ("run", "plan", "verify", "merge into", "compare", "joint", "findings", "report")
"""They import torch, resample or draw: benchmarks/damage.py has them try more."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.db"
    path.write_bytes(lzma.decompress((Path(__file__).parent / "old" / "m005.db.xz").read_bytes()))
    Writer.open(path, command=["x"]).close()
    return path


def one_line(result):
    assert result.err.startswith("error: "), result.err
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err


@pytest.mark.parametrize("number", range(2 * len(CORRUPTIONS)))
def test_no_verb_ends_in_a_traceback(harness, whole, tmp_path, number):
    """In this process whatever is not expected would come out of ``main`` and fail the test."""
    shown = verbs(whole)
    chosen = [verb for verb in shown if verb not in HEAVY] + [*HEAVY[number : number + 1]]
    _, content = damaged(whole.read_bytes(), number, seed=3)
    shutil.copy(whole, tmp_path / "whole.db")
    for verb in chosen:
        (tmp_path / "h.db").write_bytes(content)
        result = harness(*shown[verb], "--db", "h.db")
        assert result.code in (0, 1, 2, 3, 5), verb
        if result.code == ExitCode.STORE:
            assert "h.db" in result.err, verb
            assert result.err.splitlines()[-1].startswith("error: "), verb


def special(kind: str, path: Path) -> str:
    """Make something that is no file; what the line calls it."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with closing(socket.socket(socket.AF_UNIX)) as made:
            made.bind(str(path))
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.symlink_to(path)
    return {"loop": "symbolic links", "folder": "is a directory"}.get(kind, f"is a {kind}")


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device", "loop"])
def test_what_is_no_file_is_refused_by_every_verb(harness, whole, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    said = special(kind, Path("h.db"))
    shown = verbs(whole)
    shutil.copy(whole, "whole.db")
    for verb, arguments in shown.items():
        result = harness(*arguments, "--db", "h.db")
        # A folder is refused as the command line is read.
        code = ExitCode.USAGE if kind == "folder" else ExitCode.STORE
        assert (result.code, said in result.err) == (code, True), (verb, result.err)
        one_line(result)
    result = harness("merge", "h.db", "--db", "whole.db")
    assert said in result.err
    one_line(result)


def test_pages_are_checked_where_the_last_run_did_not_end(whole, tmp_path):
    path = tmp_path / "h.db"
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name='measured'").fetchone()
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = bytes(4096)
    path.write_bytes(content)
    Writer.open(path, command=["x"]).close()  # nobody looks at the page
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE runs SET status = 'running'")
    with pytest.raises(StoreError, match="is damaged"):
        Writer.open(path, command=["x"])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE runs SET status = 'done'")
    Writer.open(path, command=["x"]).close()
    path.with_name("h.db.lock").write_text(
        '{"pid": 1, "host": "h", "command": "c", "since": "s"}'
    )  # what a dead owner leaves
    with pytest.raises(StoreError, match="is damaged"):
        Writer.open(path, command=["x"])


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE components SET about = '{' WHERE id = 1", "a text of components is no JSON"),
        ("DELETE FROM components WHERE kind = 'dataset'", "refers to one of components"),
    ],
)
def test_what_damage_breaks_is_blamed_on_it(tmp_path, statement, what):
    path = tmp_path / "h.db"
    with Writer.open(path, command=["x"]) as writer:
        toy.begin(writer, toy.toy_plan())
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)
    with pytest.raises(StoreError, match=what), reading(path):
        raise ValueError("unforeseen")
    with pytest.raises(StoreError, match=what), Writer.open(path, command=["x"]):
        raise KeyError("unforeseen")
    with pytest.raises(StoreError, match=what), reading(path) as db:
        db.execute("SELECT * FROM nothing")


def test_a_text_that_is_none_is_damage(tmp_path):
    path = tmp_path / "h.db"
    with Writer.open(path, command=["x"]) as writer:
        toy.begin(writer, toy.toy_plan())
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE components SET name = CAST(x'ff' AS TEXT)")
    with pytest.raises(StoreError, match="is damaged"), reading(path) as db:
        db.execute("SELECT name FROM components").fetchall()


def test_our_own_bugs_stay_our_own(tmp_path):
    path = tmp_path / "h.db"
    with pytest.raises(ValueError, match="a bug"), Writer.open(path, command=["x"]):
        raise ValueError("a bug")
    with reading(path) as db:
        assert damage_of(db) is None
