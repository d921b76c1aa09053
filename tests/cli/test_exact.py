"""``run --exact``: killed, resumed, in two processes and with a limit, the same to the bit."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

SUITE = """\
suites:
  exact:
    dataset: digits
    models: [digits-densenet169_k32, digits-mobilenet_v1_025]
    images: 6
    accuracy_images: 10
    attacks:
      - attack: cw
        goals: [untargeted, random]
        parameters: {iterations: 20, search_steps: 3, learning_rate: 0.05, warm_start: true}
      - attack: ead
        goals: [random]
        parameters: {iterations: 15, search_steps: 3, initial_const: 0.1}
      - {attack: ifgsm, goals: [random], parameters: {steps: 3, attempts: 4}}
    metrics: [success, l2]
"""


def start(folder: Path, db: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "harness", "run", "--registry", "exact.yaml"]
    return subprocess.Popen(
        [*command, "--suite", "exact", "--exact", "--db", db, *arguments],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )


def stored(path: Path) -> dict[tuple, list]:
    """Everything of each image of each cell that is a result."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT cells.key, images.name, status, target, predicted, margin, confident, linf, l2,"
            " l1, l0, forwards, backwards FROM outcomes JOIN cells ON cells.id = cell_id"
            " JOIN images ON images.id = image_id UNION ALL"
            " SELECT cells.key, images.name, predicted, margin, least, second, NULL, NULL, NULL,"
            " NULL, NULL, NULL, NULL FROM clean JOIN cells ON cells.id = cell_id"
            " JOIN images ON images.id = image_id"
        ).fetchall()
        found = {row[:2]: list(row[2:]) for row in rows}
        for key, image, *number in connection.execute(
            "SELECT cells.key, images.name, measurements.name, value FROM measurements"
            " JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id ORDER BY 3"
        ):
            found[key, image] += number
    return found


def outcomes(path: Path) -> int:
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            return connection.execute("SELECT count(*) FROM outcomes").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def test_kill_resume_limit_and_workers_change_no_bit(tmp_path):
    tmp_path.joinpath("exact.yaml").write_text(SUITE)
    straight = start(tmp_path, "straight.db", "--devices", "cpu:1")
    killed = start(tmp_path, "killed.db", "--devices", "cpu:2", "--limit", "4")
    while killed.poll() is None and outcomes(tmp_path / "killed.db") < 6:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = outcomes(tmp_path / "killed.db")
    resumed = start(tmp_path, "killed.db", "--devices", "cpu:2")
    assert resumed.wait() == 0, resumed.stderr.read()
    assert straight.wait() == 0, straight.stderr.read()
    whole, pieces = stored(tmp_path / "straight.db"), stored(tmp_path / "killed.db")
    assert before < 2 * 4 * 6
    assert len(whole) == 2 * (4 * 6 + 10)
    assert pieces == whole


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--exact", "8"), "1, 32, 64"),
        (("--exact", "0"), "1, 32, 64"),
        (("--exact", "--batch-size", "16"), "leave --batch-size out"),
    ],
)
def test_what_cannot_be_exact_is_refused(harness, arguments, words):
    refused = harness("run", "--suite", "digits18", *arguments)
    assert refused.code == 2
    assert words in refused.err
    assert refused.err.count("\n") == 1
