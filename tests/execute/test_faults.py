"""Faults at random moments of real runs: a hundred of them are `benchmarks/faults.py`'s."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "faults.py"


@pytest.mark.slow
@pytest.mark.parametrize(("executor", "count"), [("processes", 14), ("ray", 6)])
def test_nothing_is_lost_and_nothing_is_done_twice(executor, count):
    if executor == "ray" and find_spec("ray") is None:
        pytest.skip("ray is not installed")
    asked = ["--executor", executor, "--count", str(count), "--seed", "1"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *asked], capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{count} faults, 0 with a problem" in done.stdout
