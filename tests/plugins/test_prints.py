"""What plugins print, wherever and however: stdout holds the data alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("rude")
PLACES = (
    "import prints",
    "loader prints in C",
    "metric prints",
    "metric prints elsewhere",
)


def harness(folder: Path, rude: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """In a process of its own, where stdout is a real file descriptor."""
    site = folder.with_name(f"{folder.name}-site")
    environment = {**os.environ, "PYTHONPATH": str(site), "RUDE": rude}
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=folder,
        env=environment | {"HARNESS_EXECUTOR": "inline"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("how", PLACES)
def test_stdout_stays_what_a_parser_reads(how, tmp_path, registry):
    path = registry(tmp_path / "toy.yaml", "rude-metric")
    run = harness(tmp_path, how, "run", "--registry", path, "--suite", "toy", "--db", "toy.db")
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
    given = ("leaderboard", "--db", "toy.db", "--suite", "toy", "--attack", "fgsm*")
    board = harness(tmp_path, how, *given, "--format", "json")
    assert board.returncode == 0, board.stderr
    assert json.loads(board.stdout)
    heard = run.stderr + board.stderr
    assert "noise" in heard
    if how.endswith("prints"):
        assert ": a plugin's noise" in heard
