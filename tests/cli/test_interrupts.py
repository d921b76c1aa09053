"""A few of the kills and signals of ``benchmarks/interrupts.py``; there are many more of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "interrupts.py"


def test_kills_and_signals_at_random_moments_leave_nothing_wrong() -> None:
    command = [sys.executable, SCRIPT, "--kills", "2", "--signals", "3", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" 0 wrong")
