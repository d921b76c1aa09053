"""Faults at random moments of real runs, two of each kind; `benchmarks/faults.py` makes 100."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "faults.py"


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_is_done_twice():
    asked = ["--executor", "processes", "--count", "8", "--seed", "1"]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *asked], capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 faults, 0 with a problem" in done.stdout
