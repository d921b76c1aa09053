"""What ends a run from outside: signals, kills, and what plugins do in other processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "interrupts.py"

PLUGIN = """
import os, time
from harness.api import Later, Measurement, MeasurementResult, hookimpl

HARNESS_API = 1

@hookimpl
def register_measurements(register):
    register("endless", "endless:Endless", version="1", summary="its later part never ends")

class Endless(Measurement):
    def measure(self, probe, subject):
        return Later(sleep, ())

def sleep():
    open("asleep", "w").write(str(os.getpid()))
    time.sleep(3600)
"""
SUITE = """\
suites:
  endless:
    dataset: digits
    models: [digits-mobilenet_v1_025, digits-alexnet]
    images: 4
    accuracy_images: 4
    measurements: [{measurement: endless}]
    metrics: [accuracy]
"""


def test_kills_and_signals_at_random_moments_leave_nothing_wrong() -> None:
    """A few of the script's: there are many more of them."""
    command = [sys.executable, SCRIPT, "--kills", "2", "--signals", "2", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" 0 wrong")


@pytest.mark.parametrize("devices", ["cpu:1", "cpu:2"])
def test_ctrl_c_twice_ends_a_fit_that_never_ends(tmp_path: Path, gone, devices: str) -> None:
    info = tmp_path / "endless-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: endless\nVersion: 1.0\n")
    info.joinpath("entry_points.txt").write_text("[harness]\nendless = endless\n")
    (tmp_path / "endless.py").write_text(PLUGIN)
    (tmp_path / "endless.yaml").write_text(SUITE)
    command = ["run", "--registry", "endless.yaml", "--suite", "endless", "--devices", devices]
    run = subprocess.Popen(
        [sys.executable, "-m", "harness", *command],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    asleep = tmp_path / "asleep"
    while not (asleep.exists() and asleep.read_text()):
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert err.splitlines()[-1] == "interrupted; the same command resumes"
    assert "Traceback" not in err
    assert gone(asleep.read_text())
    with sqlite3.connect(tmp_path / "harness.db") as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("interrupted",)]
