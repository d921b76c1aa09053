"""``harness run --summary``: one JSON document, whatever becomes of the run."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import harness as library
from harness.store.lock import Lock

KEYS = {
    "schema", "version", "harness", "status", "exit_code", "error", "began", "seconds", "run",
    "database",
    "suite", "dataset", "models", "seed", "numerics", "shard", "cells", "images_computed",
    "images_found", "transfers_computed", "failures", "files_lost", "notes", "counts",
    "leaderboards",
}  # fmt: skip


def read(path: Path) -> dict:
    found = json.loads(path.read_text())
    assert found.keys() == KEYS
    return found


def test_a_run(harness, overlay, tmp_path):
    command = (
        "run", "--registry", overlay, "--suite", "small", "--limit", 4, "--summary", "s.json"
    )  # fmt: skip
    assert harness(*command).code == 0
    found = read(tmp_path / "s.json")
    assert (found["version"], found["status"], found["exit_code"]) == (1, "done", 0)
    assert (found["suite"], found["run"], found["seconds"] > 0) == ("small", 1, True)
    assert found["images_computed"] == sum(found["counts"].values()) + 2 * 4
    with sqlite3.connect("harness.db") as db:
        stored = dict(db.execute("SELECT status, count(*) FROM samples GROUP BY status"))
    assert {key: count for key, count in found["counts"].items() if count} == stored
    assert len(found["leaderboards"]) == 4
    for board in found["leaderboards"]:
        asked = ("--attack", board["attack"], "--goal", board["goal"], "--intervals")
        shown = json.loads(harness("leaderboard", *asked, "--format", "json").out)
        del shown["columns"]
        assert board == shown | {"database": found["database"]}
        for row in board["rows"]:
            assert row["success_low"] <= row["success"] <= row["success_high"]
            if board["budget"] is not None:
                low, high = row["robust_accuracy_low"], row["robust_accuracy_high"]
                assert low <= row["robust_accuracy"] <= high
    # Nothing left to do is a summary too.
    assert harness(*command).code == 0
    again = read(tmp_path / "s.json")
    assert (again["run"], again["images_computed"]) == (2, 0)
    assert again["leaderboards"] == found["leaderboards"]


@pytest.mark.parametrize(
    ("wrong", "code", "text"),
    [
        (["--suite", "smal"], 2, "did you mean 'small'"),
        (["--suite", "small", "--models", "nothing-*"], 2, "nothing-*"),
        (["--suite", "small", "--devices", "quantum"], 2, "quantum"),
    ],
)
def test_what_never_began(harness, overlay, tmp_path, wrong, code, text):
    (tmp_path / "s.json").write_text("of an earlier run")
    done = harness("run", "--registry", overlay, *wrong, "--summary", "s.json")
    found = read(tmp_path / "s.json")
    assert (done.code, found["exit_code"], found["status"]) == (code, code, "failed")
    assert text in found["error"]
    assert f"error: {found['error']}\n" in done.err
    assert (found["run"], found["leaderboards"]) == (None, [])


def test_a_busy_database(harness, overlay, tmp_path):
    lock = Lock.acquire(tmp_path / "harness.db", ["another"])
    try:
        done = harness(
            "run", "--registry", overlay, "--suite", "small", "--limit", 1, "--summary", "s.json"
        )
    finally:
        lock.release()
    found = read(tmp_path / "s.json")
    assert (done.code, found["exit_code"], found["status"]) == (5, 5, "failed")


def test_a_place_that_cannot_be_written_ends_the_command_before_the_run(harness, overlay, tmp_path):
    command = ("run", "--registry", overlay, "--suite", "small", "--summary", "no/s.json")
    done = harness(*command)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert not (tmp_path / "harness.db").exists()


INTERRUPTED = """
import os, signal, sys
from harness.execute.driver.cell_group import CellGroup
taken = CellGroup.take
def take(self, *arguments):
    stored = taken(self, *arguments)
    if stored:
        os.kill(os.getpid(), signal.{signal})
    return stored
CellGroup.take = take
from harness.__main__ import run
run()
"""


@pytest.mark.parametrize(
    ("number", "code", "status"), [("SIGINT", 130, "interrupted"), ("SIGKILL", None, "running")]
)
def test_a_run_that_was_broken_off(overlay, tmp_path, number, code, status):
    program = INTERRUPTED.format(signal=number)
    command = ["run", "--registry", str(overlay), "--suite", "small", "--summary", "s.json"]
    done = subprocess.run(
        [sys.executable, "-c", program, *command], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == (code or -signal.SIGKILL), done.stderr
    found = read(tmp_path / "s.json")
    assert (found["exit_code"], found["status"]) == (code, status)
    assert found["run"] == (1 if code else None)
    assert not (code and list(tmp_path.glob("*partial*")))


def test_the_library_writes_it_too(overlay, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    library.run(
        "small", registry=[overlay], models=["digits-alexnet"], attacks=["fgsm"], limit=2,
        summary="s.json", progress="plain", observers=["jsonlines:path=x.jsonl"],
    )  # fmt: skip
    found = read(tmp_path / "s.json")
    assert found["models"] == ["digits-alexnet"]
    last = json.loads((tmp_path / "x.jsonl").read_text().splitlines()[-1])
    assert {**found, "event": "summary", "time": last["time"]} == last
