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
from sqlite3 import Connection
from statistics import NormalDist
from typing import Any

import numpy as np
from measure import load_line
from synthetic import CLASSES, clean_rows, outcome_rows, seconds

from harness.api import Goal, ImageKey, Norm
from harness.planning import Component, NumericPolicy, Plan, PlannedAttack, PlannedImage, plan_cells
from harness.store.database import transaction
from harness.store.write.writer import Writer

ATTACKS = (("ifgsm", "ifgsm", Norm.LINF, None), ("fgsm", "fgsm epsilon=0.1", Norm.LINF, 0.1))
TARGETS = {326: 2.0, 1266: 5.0}
"""Seconds that a leaderboard of so many models may take."""

COMMANDS: tuple[tuple[str, ...], ...] = (
    (),
    ("--intervals",),
    ("--joint",),
    ("--attack", "fgsm*"),
)
"""Options of ``harness leaderboard``."""


def plan(models: int, images: int) -> Plan:
    """A suite of so many models and images."""
    components = [
        Component(
            f"model-{number:04}",
            {"weights": str(number)},
            {"family": f"family {number // 3}", "parameters": 10**6, "shape": [3, 224, 224]},
        )
        for number in range(models)
    ]
    attacks = [
        PlannedAttack(
            Component(name, {"name": name, "label": label}, {}),
            *(label, norm, budget, (Goal.RANDOM,), None),
            keep=False,
            eight_bit=False,
        )
        for name, label, norm, budget in ATTACKS
    ]
    cells = plan_cells(
        models=components,
        attacks=attacks,
        measurements=[],
        dataset=Component("synthetic", {"name": "synthetic"}, {}),
        images=[PlannedImage(f"image-{i:05}", i % CLASSES) for i in range(images)],
        clean_images=None,
        seed=0,
        policy=NumericPolicy(),
    )
    definition: dict[str, Any] = {
        "name": "synthetic",
        "dataset": "synthetic",
        "models": [model.name for model in components],
        "attacks": [
            {"name": name, "label": label, "norm": norm.value, "budget": budget,
             "goals": ["random"], "parameters": {}}
            for name, label, norm, budget in ATTACKS
        ],
        "seed": 0,
    }  # fmt: skip
    return Plan("synthetic", definition, 0, cells)


def fill(path: Path, models: int, images: int) -> None:
    """Make the database at ``path``."""
    study = plan(models, images)
    with Writer.open(path, command=["many_models"]) as writer:
        run = writer.begin_run(
            study,
            environment={"python": "3"},
            command=["many_models"],
            images=[
                ImageKey(image.id, f"{number:064x}", image.label)
                for number, image in enumerate(study.cells[0].images)
            ],
        )
        with transaction(writer.db) as connection:
            _fill(connection, run, models, np.random.default_rng(0))
        writer.finish_run(run, status="done", exit_code=0)


def _fill(db: Connection, run: int, models: int, random: np.random.Generator) -> None:
    cells = db.execute("SELECT id, model_id, goal, norm, budget FROM cells ORDER BY id").fetchall()
    labels = dict(db.execute("SELECT id, label FROM images").fetchall())
    ids = np.array([i for (i,) in db.execute("SELECT image_id FROM run_images ORDER BY position")])
    db.executemany(
        "INSERT INTO attempts (id, cell_id, run_id, started, status, device, batch_size)"
        " VALUES (?, ?, ?, '2026-01-01', 'done', 'cpu', 8)",
        [(cell[0], cell[0], run) for cell in cells],
    )
    shared = random.standard_normal(len(ids))
    accuracies = dict(
        zip(dict.fromkeys(cell[1] for cell in cells), random.uniform(0.4, 0.9, models), strict=True)
    )
    right: dict[int, np.ndarray] = {}
    for cell, model, goal, norm, budget in cells:
        limit = NormalDist().inv_cdf(accuracies[model])
        if norm is None:
            right[model] = 0.8 * shared + 0.6 * random.standard_normal(len(ids)) < limit
            clean_rows(db, cell, ids, labels, right[model], random)
        else:
            typical = 0.02 * (2 - accuracies[model]) * float(np.exp(0.3 * random.normal()))
            sizes = typical * np.exp(0.4 * shared + 0.4 * random.standard_normal(len(ids)))
            outcome_rows(db, cell, goal, ids, right[model], sizes, budget, random)


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
