"""Models side by side in processes of their own: the same results, and nothing lost."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.execute.worker.program import Program

SUITE = """\
suites:
  crew:
    dataset: digits
    models: [digits-alexnet, digits-vgg16, digits-mobilenet_v1_025]
    images: 12
    accuracy_images: 40
    attacks:
      - {attack: ifgsm, goals: [random], parameters: {epsilon: 0.1, steps: 5}, keep: true}
      - {attack: cw, goals: [untargeted], images: 6, parameters: {iterations: 8, search_steps: 3}}
    measurements:
      - {measurement: clever, images: 3, parameters: {norms: [l2], batches: 6, samples: 8}}
    metrics: [success]
"""

ROWS = """
SELECT cells.key, images.name, outcomes.status, outcomes.predicted, round(outcomes.l2, 4)
FROM outcomes JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id
UNION ALL SELECT cells.key, images.name, measured.status, forwards, backwards
FROM measured JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id
UNION ALL SELECT cells.key, images.name, '', clean.predicted, round(clean.margin, 3)
FROM clean JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id
ORDER BY 1, 2
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "crew.yaml"
    path.write_text(SUITE)
    return path


def query(db, sql):
    with sqlite3.connect(db) as connection:
        return connection.execute(sql).fetchall()


def start(folder: Path, suite: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness", "run", "--registry", str(suite), "--suite", "crew"]
    return subprocess.Popen(
        [*command, "--devices", "cpu:2", "--progress", "plain", *more],
        cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def children(pid: int, deep: bool = True) -> list[int]:
    """The living children of a process, and theirs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found + [each for child in found if deep for each in children(child)]


def until(condition, seconds: float = 180) -> None:
    for _ in range(int(seconds * 20)):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def outcomes(db: Path) -> int:
    try:
        return query(db, "SELECT count(*) FROM clean")[0][0] if db.exists() else 0
    except sqlite3.OperationalError:
        return 0


def test_two_workers_store_what_one_stores(harness, suite):
    run = ("run", "--registry", suite, "--suite", "crew")
    assert harness(*run, "--db", "one.db").code == 0
    done = harness(*run, "--db", "two.db", "--devices", "cpu:2")
    assert done.code == 0, done.err
    assert query("one.db", ROWS) == query("two.db", ROWS)
    kept = "SELECT count(*), count(artifact_id) FROM outcomes"
    assert query("one.db", kept) == query("two.db", kept)
    assert query("two.db", "SELECT DISTINCT status FROM attempts") == [("done",)]
    assert "nothing to do" in harness(*run, "--db", "two.db", "--devices", "cpu:2").err


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(suite, tmp_path):
    run = start(tmp_path, suite)
    until(lambda: outcomes(tmp_path / "harness.db"))
    members = [pid for pid in children(run.pid, deep=False) if b"spawn_main" in command_line(pid)]
    os.kill(members[0], signal.SIGKILL)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert "killed by SIGKILL" in err
    assert "another one does the rest" in err
    assert "183 images computed in 12 cells, 0 found" in err
    assert query(tmp_path / "harness.db", "SELECT count(*) FROM outcomes") == [(3 * 18,)]
    assert not query(tmp_path / "harness.db", "SELECT 1 FROM attempts WHERE status = 'running'")


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_workers_end_with_the_process_that_writes(suite, tmp_path):
    run = start(tmp_path, suite)
    until(lambda: outcomes(tmp_path / "harness.db"))
    family = children(run.pid)
    assert family
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=30)
    until(lambda: not any(b"spawn_main" in command_line(pid) for pid in family))
    before = query(tmp_path / "harness.db", "SELECT count(*) FROM clean")[0][0]
    again = start(tmp_path, suite)
    again.communicate(timeout=120)
    assert again.returncode == 0
    assert query(tmp_path / "harness.db", "SELECT count(*) FROM clean")[0][0] == 120 >= before


def test_ctrl_c_ends_all_of_them(suite, tmp_path):
    run = start(tmp_path, suite)
    until(lambda: outcomes(tmp_path / "harness.db"))
    family = children(run.pid)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: everyone gets it
    _, err = run.communicate(timeout=60)
    if run.returncode:  # it may have been done
        assert run.returncode == 130
        assert "Traceback" not in err
    until(lambda: not any(b"spawn_main" in command_line(pid) for pid in family))
    assert not query(tmp_path / "harness.db", "SELECT 1 FROM attempts WHERE status = 'running'")


def test_a_full_disk_ends_the_crew_as_it_ends_one_process(suite, tmp_path):
    run = start(tmp_path, suite)
    until(lambda: outcomes(tmp_path / "harness.db"))
    # The writer's files may grow no more, as on a full disk.
    resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    family = children(run.pid)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 5, err
    assert [line for line in err.splitlines() if line.startswith("error: ")] == err.splitlines()[
        -1:
    ]
    assert str(tmp_path / "harness.db") in err
    assert "nothing to do" not in err
    assert "Traceback" not in err
    until(lambda: not any(b"spawn_main" in command_line(pid) for pid in family))
    assert query(tmp_path / "harness.db", "PRAGMA integrity_check") == [("ok",)]


def test_workers_that_are_killed_again_and_again_end_the_run(suite, tmp_path):
    run = start(tmp_path, suite)
    until(lambda: outcomes(tmp_path / "harness.db"))
    seen: set[int] = set()

    def kill_all_of_them() -> bool:
        for pid in set(children(run.pid, deep=False)) - seen:
            if b"spawn_main" in command_line(pid):
                seen.add(pid)
                os.kill(pid, signal.SIGKILL)
        return run.poll() is not None

    until(kill_all_of_them)
    _, err = run.communicate()
    assert run.returncode == 4, err
    assert "workers die before they are ready: killed by SIGKILL" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert query(tmp_path / "harness.db", "SELECT status, exit_code FROM runs") == [("failed", 4)]
    assert not query(tmp_path / "harness.db", "SELECT 1 FROM attempts WHERE status = 'running'")
    again = start(tmp_path, suite)
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert query(tmp_path / "harness.db", "SELECT count(*) FROM outcomes") == [(3 * 18,)]


def test_what_cannot_travel_is_computed_here_or_refused(harness, suite, monkeypatch):
    """By the executor that was chosen, or by the one that was asked for."""

    def cannot(self):
        raise pickle.PicklingError("a plugin's object")

    monkeypatch.setattr(Program, "__getstate__", cannot)
    run = ("run", "--registry", suite, "--suite", "crew", "--attacks", "ifgsm", "--limit", 1)
    done = harness(*run, "--devices", "cpu:2", "--executor", "processes")
    assert done.code == 2
    assert "cannot be sent to its workers: PicklingError: a plugin's object" in done.err
    done = harness(*run, "--devices", "cpu:2")
    assert done.code == 0
    assert "one worker in this process does it" in done.err


WRONG = {
    "0": ("--devices=cpu:0",),
    "-1": ("--devices=cpu:-1",),
    "two": ("--devices=cpu:two",),
    "several here": ("--devices=cpu:2", "--executor=inline"),
    "a share here": ("--cpus-per-worker=1", "--executor=inline"),
    "unknown": ("--executor=procesess",),
    "cluster": ("--ray-address=here:1",),
    "too many cores": ("--cpus-per-worker=9999",),
    "whole GPUs": ("--devices=cpu", "--gpus-per-worker=.5"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_cannot_be_done_is_one_line_and_makes_nothing(harness, suite, tmp_path, wrong):
    done = harness("run", "--registry", suite, "--suite", "crew", *wrong)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert wrong[-1].split("=")[0] in done.err or "--devices" in done.err
    assert not tmp_path.joinpath("harness.db").exists()
