"""A plugin that is edited without a new version: whoever looks at its results is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("rude")
SAID = "code of rude-whole changed since results of "
VERBS = (["status"], ["leaderboard", "--suite", "toy"], ["show"], ["verify"])


@pytest.fixture
def run(harness, tmp_path, registry, monkeypatch):
    monkeypatch.setenv("HARNESS_EXECUTOR", "inline")
    path = registry(tmp_path / "toy.yaml", "rude-whole")
    return lambda *more: harness(
        "run", "--registry", path, "--suite", "toy", "--db", "toy.db", *more
    )


def edit(tmp_path: Path, line: str = "# edited") -> None:
    path = tmp_path.with_name(f"{tmp_path.name}-site") / "rude.py"
    path.write_text(f"{path.read_text()}\n{line}\n")


def test_an_edited_plugin_is_named_until_its_results_are_made_anew(run, harness, tmp_path):
    assert run().code == 0
    again = run()
    assert "changed since" not in again.err
    edit(tmp_path)
    told = run()
    assert told.code == 0
    (line,) = [line for line in told.err.splitlines() if SAID in line]
    assert "`--fresh` recomputes them, or give it a new version" in line
    for verb in VERBS:
        done = harness(*verb, "--db", "toy.db", "--format", "json")
        assert f"note: {SAID}" in done.err, verb
        assert "changed since" not in done.out
    assert run("--fresh").code == 0
    assert "changed since" not in run().err


def test_new_results_beside_old_ones_stay_told_apart(run, harness, tmp_path):
    run("--images", "image 0,image 1")
    edit(tmp_path)
    run()
    assert SAID in harness("status", "--db", "toy.db").err


def test_what_is_not_known_is_not_told(run, harness, tmp_path):
    run()
    with sqlite3.connect(tmp_path / "toy.db") as connection:
        (bundled,) = connection.execute(
            "SELECT DISTINCT code FROM attempts JOIN cells ON cells.id = cell_id"
            " WHERE cells.label LIKE 'fgsm%'"
        ).fetchone()
        assert "fgsm" not in bundled  # its model and its images are the plugin's
        connection.execute("UPDATE attempts SET code = NULL")
    edit(tmp_path)
    assert "changed since" not in run().err
    assert "changed since" not in harness("status", "--db", "toy.db").err
