"""Faults at random moments of real runs, one of each kind; `benchmarks/faults.py` makes 100."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "faults.py"


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_is_done_twice():
    asked = ["--executor", "processes", "--count", "4", "--seed", "1"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *asked], capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 faults, 0 with a problem" in done.stdout
