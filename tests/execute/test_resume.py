"""Kill -9 at any moment: the same command goes on, and nothing committed is computed again."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "harness", "run", "--registry", "small.yaml", "--suite", "small",
           "--batch-size", "4"]  # fmt: skip


def start(folder: Path, db: str) -> subprocess.Popen[str]:
    """A run as from a terminal: where the tests run in the background, Ctrl-C may be ignored."""
    return subprocess.Popen(
        [*COMMAND, "--db", db],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def stored(path: Path, table: str = "outcomes") -> dict[tuple, tuple]:
    """(cell key, image) -> (attempt, status, linf) of everything committed."""
    if not path.exists():
        return {}
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        try:
            found = connection.execute(
                "SELECT key, images.name, attempt_id, status, linf FROM outcomes"
                " JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id"
            ).fetchall()
        except sqlite3.OperationalError:  # not migrated yet
            return {}
    return {(key, image): rest for key, image, *rest in found}


def wait_for(process: subprocess.Popen[str], path: Path, count: int) -> None:
    """Until ``count`` outcomes are committed, or the process is done."""
    while process.poll() is None and len(stored(path)) < count:
        time.sleep(0.005)


def test_killed_at_ten_moments_and_resumed_each_time(overlay, tmp_path):
    process = start(tmp_path, "whole.db")
    assert process.wait() == 0, process.stderr.read()
    whole = stored(tmp_path / "whole.db")
    choose = random.Random(20261121)
    moments = sorted(choose.sample(range(0, len(whole) - 8), 10))
    path, before = tmp_path / "killed.db", {}
    killed = 0
    for moment in moments:
        process = start(tmp_path, "killed.db")
        wait_for(process, path, max(moment, len(before) + (moment > 0)))
        time.sleep(choose.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        now = stored(path)
        # What was committed still stands, by the attempt that computed it.
        assert before.items() <= now.items()
        before = now
    process = start(tmp_path, "killed.db")
    assert process.wait() == 0, process.stderr.read()
    final = stored(path)
    assert before.items() <= final.items()
    assert killed >= 8
    assert final.keys() == whole.keys()
    same = [final[key][1] == whole[key][1] for key in whole]
    assert all(same)
    sizes = [(whole[key][2], final[key][2]) for key in whole if whole[key][2] is not None]
    close = [abs(one - other) <= 1e-4 * one for one, other in sizes]
    assert sum(close) >= 0.99 * len(close)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        statuses = connection.execute("SELECT status, count(*) FROM runs GROUP BY 1").fetchall()
    assert dict(statuses)["done"] == 1
    assert dict(statuses)["interrupted"] >= killed - 2  # one killed at start has no run yet


def test_busy_database_names_its_owner_and_a_dead_owner_is_taken_over(overlay, tmp_path, harness):
    path = tmp_path / "busy.db"
    process = start(tmp_path, "busy.db")
    try:
        wait_for(process, path, 1)
        os.kill(process.pid, signal.SIGSTOP)
        second = harness("run", "--registry", overlay, "--suite", "small", "--db", path)
        assert second.code == 5
        assert second.err.count("\n") == 1
        assert f"pid {process.pid}" in second.err
        assert "harness" in second.err
        assert harness("status", "--db", path).code == 0, "reading goes on"
    finally:
        process.kill()
        process.wait()
    third = harness("run", "--registry", overlay, "--suite", "small", "--db", path)
    assert third.code == 0, third.err
    assert f"pid {process.pid}" in third.err
    assert "resuming" in third.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_resumable_and_exits_130(overlay, tmp_path, harness, number):
    process = start(tmp_path, "stopped.db")
    wait_for(process, tmp_path / "stopped.db", 5)
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "interrupted; the same command resumes"
    runs = json.loads(harness("runs", "list", "--db", "stopped.db", "--format", "json").out)
    assert [run["status"] for run in runs] == ["interrupted"]
    done = harness("run", "--registry", overlay, "--suite", "small", "--db", "stopped.db")
    assert done.code == 0, done.err
