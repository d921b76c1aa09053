"""One writer: a second one is told the owner, a dead one is taken over."""

from __future__ import annotations

import os

import pytest
import store_toy as toy

from harness.errors import StoreError
from harness.store import lock as lock_module
from harness.store.lock import Lock, is_held, lock_path
from harness.store.write.writer import Writer


def test_a_second_process_is_told_the_owner(tmp_path, children):
    path = tmp_path / "h.db"
    child = children.start("hold", path)
    assert is_held(path)
    with pytest.raises(StoreError) as caught:
        Writer.open(path, command=["x"])
    line = str(caught.value)
    assert "`harness run --suite 'a b'`" in line
    assert f"pid {child.pid} on {os.uname().nodename}" in line
    assert "wait for it" in line
    assert "\n" not in line
    second = children.run("write", path)
    assert second.returncode == 5
    assert f"pid {child.pid}" in second.stderr


def test_another_name_of_the_database_is_the_same_database(tmp_path, children):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    children.start("hold", tmp_path / "real" / "h.db")
    with pytest.raises(StoreError, match="busy"):
        Writer.open(tmp_path / "link" / "h.db", command=["x"])


def test_a_killed_owner_is_taken_over(tmp_path, children):
    path = tmp_path / "h.db"
    child = children.start("hold", path)
    child.kill()
    child.wait()
    assert lock_path(path).exists()
    assert not is_held(path)
    with Writer.open(path, command=["harness", "run"]) as writer:
        assert f"pid {child.pid}" in writer.took_over
        assert is_held(path)
    with Writer.open(path, command=["harness", "run"]) as writer:
        assert writer.took_over is None


def test_nothing_stays_behind_a_clean_end(tmp_path):
    path = tmp_path / "h.db"
    writer = Writer.open(path, command=["x"])
    writer.close()
    writer.close()
    assert [file.name for file in tmp_path.iterdir()] == ["h.db"]


def test_an_open_that_fails_lets_go(tmp_path):
    path = tmp_path / "h.db"
    path.write_text("text")
    with pytest.raises(StoreError):
        Writer.open(path, command=["x"])
    assert not lock_path(path).exists()
    path.unlink()
    Writer.open(path, command=["x"]).close()


def test_a_file_that_its_owner_removes_meanwhile_is_not_the_lock(tmp_path, monkeypatch):
    path = tmp_path / "h.db"
    first = Lock.acquire(path, ["first"])

    def try_after_release(descriptor, kind):
        first.release()
        return take(descriptor, kind)

    take = lock_module._try
    monkeypatch.setattr(lock_module, "_try", try_after_release)
    second = Lock.acquire(path, ["second"])
    monkeypatch.undo()
    assert is_held(path)
    with pytest.raises(StoreError, match="busy: `second`"):
        Lock.acquire(path, ["third"])
    second.release()


def test_a_lock_file_that_holds_anything_is_no_obstacle(tmp_path):
    path = tmp_path / "h.db"
    lock_path(path).write_text("not JSON {")
    lock = Lock.acquire(path, ["x"])
    assert lock.stale is None
    lock.release()


def test_a_read_only_folder(locked, children):
    locked.chmod(0o555)
    wrote = children.run("write", locked / "h.db", unprivileged=True)
    assert wrote.returncode == 5
    assert "h.db.lock" in wrote.stderr
    assert wrote.stderr.count("\n") == 1


def test_killed_in_a_transaction(tmp_path, children):
    path = tmp_path / "h.db"
    child = children.start("die_in_transaction", path)
    child.kill()
    child.wait()
    with Writer.open(path, command=["x"]) as writer:
        assert writer.db.execute("SELECT status FROM outcomes").fetchall() == [("broken",)]
        assert writer.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        run = toy.begin(writer, toy.toy_plan())
        assert writer.db.execute("SELECT id, status FROM runs").fetchall() == [
            (1, "interrupted"),
            (run, "running"),
        ]
        assert writer.db.execute("SELECT status FROM attempts").fetchall() == [("interrupted",)]
