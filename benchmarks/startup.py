"""How long light commands take from a warm start: medians of nine runs each.

python benchmarks/startup.py [--db harness.db]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import load_line

RUNS = 9


def seconds(command: list[str]) -> float:
    """The median wall time of ``harness`` with these arguments; the first run is not counted."""
    harness = Path(sys.executable).with_name("harness")
    times = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        subprocess.run([harness, *command], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db", default="harness.db")
    db = parser.parse_args().db
    print(load_line())
    for command in (["--help"], ["plugins", "list"], ["leaderboard", "--db", db]):
        print(f"harness {' '.join(command):32} {seconds(command):.2f} s")


if __name__ == "__main__":
    main()
