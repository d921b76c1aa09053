"""How long leaderboards of hundreds of models take: databases of random numbers, the whole process.

One attack that minimises the distortion and one with a budget, each for one goal, on every model,
through the real writer.

python benchmarks/many_models.py [--models 326,1266] [--images 100] [--folder FOLDER] [--profile]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import load_line
from random_rows import Attack, Rows, planned, seconds, write

from harness.api import Goal, Norm
from harness.planning import Component

ATTACKS: tuple[Attack, ...] = (
    ("ifgsm", "ifgsm", Norm.LINF, None),
    ("fgsm", "fgsm epsilon=0.1", Norm.LINF, 0.1),
)
TARGETS = {326: 2.0, 1266: 5.0}
"""Seconds that a leaderboard of so many models may take."""

COMMANDS: tuple[tuple[str, ...], ...] = (
    (),
    ("--intervals",),
    ("--joint",),
    ("--attack", "fgsm*"),
)
"""Options of ``harness leaderboard``."""


def fill(path: Path, models: int, images: int) -> None:
    """Make the database at ``path``, of so many models and images."""
    components = [
        Component(
            f"model-{number:04}",
            {"weights": str(number)},
            {"family": f"family {number // 3}", "parameters": 10**6, "shape": [3, 224, 224]},
        )
        for number in range(models)
    ]
    write(path, planned(components, ATTACKS, (Goal.RANDOM,), images), "many_models", _fill)


def _fill(rows: Rows) -> None:
    drawn = rows.random.uniform(0.4, 0.9, len(rows.models))
    accuracies = dict(zip(rows.models, drawn, strict=True))
    for cell in rows.cells:
        accuracy = accuracies[cell.model]
        if cell.kind is None:
            rows.add_clean(cell, accuracy)
        else:
            typical = 0.02 * (2 - accuracy) * float(np.exp(0.3 * rows.random.normal()))
            rows.add_outcomes(cell, typical)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="326,1266", help="how many, separated by commas")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="for the databases; existing ones are timed")
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    options = parser.parse_args()
    print(load_line())
    with tempfile.TemporaryDirectory() as folder:
        for models in map(int, options.models.split(",")):
            path = (options.folder or Path(folder)) / f"{models}x{options.images}.db"
            if not path.exists():
                fill(path, models, options.images)
            _time(path, models, options.images, profile=options.profile)


def _time(path: Path, models: int, images: int, *, profile: bool) -> None:
    for arguments in COMMANDS:
        command = ["leaderboard", "--db", str(path), "--format", "json", *arguments]
        print(f"{models} models, {images} images: leaderboard {' '.join(arguments):14}", end=" ")
        if profile:
            print(flush=True)
            lines = [sys.executable, "-m", "cProfile", "-s", "tottime", "-m", "harness", *command]
            done = subprocess.run(lines, check=True, capture_output=True, text=True)
            print(done.stdout[done.stdout.index("function calls") - 20 :][:4000])
            continue
        target = TARGETS.get(models)
        wanted = "" if arguments or target is None else f" (target: at most {target:g})"
        print(f"{seconds(command):.2f} s{wanted}", flush=True)


if __name__ == "__main__":
    os.environ["COLUMNS"] = "200"
    main()
