"""A database of the full study's size, of random numbers, and how long leaderboards take on it.

18 models, 8 attacks for 3 goals on 1,000 images, CLEVER and divergence on 100 of them, and the
transfers of all 8 attacks for one goal between all 306 pairs of models and on the diagonal. The
plan goes through the real writer; rows are inserted in bulk.

python benchmarks/synthetic.py [synthetic.db] [--images 1000]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np
from measure import load_line

from harness.api import Goal, ImageKey, Norm
from harness.planning import (
    Component,
    NumericPolicy,
    Plan,
    PlannedAttack,
    PlannedImage,
    PlannedMeasurement,
    plan_cells,
)
from harness.store.database import transaction
from harness.store.write.writer import Writer

MODELS, CLASSES, MEASURED = 18, 1000, 100
SIZES = (224, 299, 331, 227, 128, 160)
GOALS = (Goal.UNTARGETED, Goal.RANDOM, Goal.LEAST_LIKELY)
ATTACKS: tuple[tuple[str, str, Norm, float | None], ...] = (
    ("fgsm", "fgsm epsilon=0.1", Norm.LINF, 0.1),
    ("ifgsm", "ifgsm", Norm.LINF, None),
    ("ifgsm", "ifgsm epsilon=0.1 steps=10", Norm.LINF, 0.1),
    ("ifgsm", "ifgsm epsilon=0.2 steps=10", Norm.LINF, 0.2),
    ("ifgsm", "ifgsm epsilon=0.3 steps=10", Norm.LINF, 0.3),
    ("cw", "cw", Norm.L2, None),
    ("cw", "cw kappa=40", Norm.L2, None),
    ("ead", "ead", Norm.L1, None),
)
COMMANDS: tuple[tuple[tuple[str, ...], float | None], ...] = (
    ((), 2.0),
    (("--intervals",), 10.0),
    (("--joint",), 2.0),
    (("--joint", "--intervals"), 10.0),
    (("--images", "common"), None),
    (("--frontier", "paper"), None),
)
"""Options of ``harness leaderboard``, and the seconds they may take."""


def plan(images: int) -> Plan:
    """The plan of the synthetic study."""
    models = [
        Component(
            f"model-{number:02}",
            {"weights": str(number)},
            {
                "family": f"family {number // 3}",
                "parameters": 10**6 * (number + 1),
                "shape": [3, *[SIZES[number % len(SIZES)]] * 2],
            },
        )
        for number in range(MODELS)
    ]
    attacks = [
        PlannedAttack(
            Component(name, {"name": name, "label": label}, {}),
            *(label, norm, budget, GOALS, None),
            keep=True,
            eight_bit=False,
        )
        for name, label, norm, budget in ATTACKS
    ]
    measurements = [
        PlannedMeasurement(Component(name, {"name": name}, {}), name, goals, MEASURED)
        for name, goals in (("clever", GOALS[1:]), ("divergence", GOALS[:1]))
    ]
    cells = plan_cells(
        models=models,
        attacks=attacks,
        measurements=measurements,
        dataset=Component("synthetic", {"name": "synthetic"}, {}),
        images=[PlannedImage(f"image-{i:05}", i % CLASSES) for i in range(images)],
        clean_images=None,
        seed=0,
        policy=NumericPolicy(),
    )
    definition: dict[str, Any] = {
        "name": "synthetic",
        "dataset": "synthetic",
        "models": [model.name for model in models],
        "attacks": [
            {
                "name": name,
                "label": label,
                "norm": norm.value,
                "budget": budget,
                "goals": [goal.value for goal in GOALS],
                "parameters": {},
            }
            for name, label, norm, budget in ATTACKS
        ],
        "seed": 0,
    }
    return Plan("synthetic", definition, 0, cells)


def fill(path: Path, images: int) -> None:
    """Make the database at ``path``."""
    study = plan(images)
    with Writer.open(path, command=["synthetic"]) as writer:
        run = writer.begin_run(
            study,
            environment={"python": "3"},
            command=["synthetic"],
            images=[
                ImageKey(image.id, f"{number:064x}", image.label)
                for number, image in enumerate(study.cells[0].images)
            ],
        )
        with transaction(writer.db) as connection:
            _fill(connection, run, np.random.default_rng(0))
        writer.finish_run(run, status="done", exit_code=0)


def _fill(db: Connection, run: int, random: np.random.Generator) -> None:
    cells = db.execute(
        "SELECT cells.id, model_id, components.kind, components.name, goal, norm, budget"
        " FROM cells LEFT JOIN components ON components.id = attack_id ORDER BY cells.id"
    ).fetchall()
    labels = dict(db.execute("SELECT id, label FROM images").fetchall())
    ids = np.array([i for (i,) in db.execute("SELECT image_id FROM run_images ORDER BY position")])
    place = {model: number for number, model in enumerate(dict.fromkeys(cell[1] for cell in cells))}
    db.executemany(
        "INSERT INTO attempts (id, cell_id, run_id, started, status, device, batch_size)"
        " VALUES (?, ?, ?, '2026-01-01', 'done', 'cpu', 8)",
        [(cell[0], cell[0], run) for cell in cells],
    )
    shared = random.standard_normal(len(ids))
    right: dict[int, np.ndarray] = {}
    for cell, model, kind, name, goal, norm, budget in cells:
        accuracy = 0.45 + 0.4 * place[model] / (MODELS - 1)
        if kind is None:
            limit = statistics.NormalDist().inv_cdf(accuracy)
            right[model] = 0.8 * shared + 0.6 * random.standard_normal(len(ids)) < limit
            clean_rows(db, cell, ids, labels, right[model], random)
        elif kind == "attack":
            typical = {"linf": 0.02, "l2": 1.0, "l1": 20.0}[norm] * (2 - accuracy)
            sizes = typical * np.exp(0.4 * shared + 0.4 * random.standard_normal(len(ids)))
            outcome_rows(db, cell, goal, ids, right[model], sizes, budget, random)
        else:
            _measured(db, cell, run, name, ids[:MEASURED], right[model], random)
    _transfers(db, cells, ids, random)


def clean_rows(
    db: Connection,
    cell: int,
    ids: np.ndarray,
    labels: dict[int, int],
    right: np.ndarray,
    random: np.random.Generator,
) -> None:
    margins = random.normal(size=len(ids)).tolist()
    db.executemany(
        "INSERT INTO clean (cell_id, image_id, attempt_id, predicted, margin, least, second)"
        " VALUES (?1, ?2, ?1, ?3, ?4, ?5, ?6)",
        [
            (cell, image, (labels[image] + (not correct)) % CLASSES, margin, 900, 7)
            for image, correct, margin in zip(ids.tolist(), right.tolist(), margins, strict=True)
        ],
    )


def outcome_rows(
    db: Connection,
    cell: int,
    goal: str,
    ids: np.ndarray,
    right: np.ndarray,
    sizes: np.ndarray,
    budget: float | None,
    random: np.random.Generator,
) -> None:
    def rows() -> Iterator[tuple[object, ...]]:
        robust = random.random(len(ids)) < (0.01 if budget is None else 0.2)
        # The same targets for every model.
        targets = np.random.default_rng(1).integers(CLASSES, size=len(ids)).tolist()
        margins = random.normal(size=len(ids)).tolist()
        for index, image in enumerate(ids.tolist()):
            target = None if goal == "untargeted" else targets[index]
            if not right[index]:
                yield cell, image, "clean_wrong", target, None, None, 0, *[None] * 4, 0, 0
                continue
            size = float(sizes[index]) if budget is None else budget
            status = "robust" if robust[index] else "broken"
            norms = (size, 20 * size, 900 * size, 150_000)
            yield cell, image, status, target, index % CLASSES, margins[index], 1, *norms, 9000, 450

    db.executemany(
        "INSERT INTO outcomes (cell_id, image_id, attempt_id, status, target, predicted, margin,"
        " confident, linf, l2, l1, l0, forwards, backwards)"
        " VALUES (?1, ?2, ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        rows(),
    )


def _measured(
    db: Connection,
    cell: int,
    run: int,
    name: str,
    ids: np.ndarray,
    right: np.ndarray,
    random: np.random.Generator,
) -> None:
    scores = {"clever": ["l1.score", "l2.score", "linf.score"]}
    numbers = scores.get(name, ["log10_psi", "divergence"])
    targets = np.random.default_rng(1).integers(CLASSES, size=len(right)).tolist()
    correct = [index for index in range(len(ids)) if right[index]]
    db.executemany(
        "INSERT INTO measured (cell_id, image_id, attempt_id, status, target, forwards, backwards)"
        " VALUES (?1, ?2, ?1, ?3, ?4, 512000, 512000)",
        [
            (
                cell,
                image,
                "measured" if right[index] else "clean_wrong",
                targets[index] if name == "clever" else None,
            )
            for index, image in enumerate(ids.tolist())
        ],
    )
    db.executemany(
        "INSERT INTO measurements (cell_id, image_id, name, value) VALUES (?, ?, ?, ?)",
        [
            (cell, int(ids[index]), number, float(random.random()))
            for index in correct
            for number in numbers
        ],
    )
    db.executemany(
        "INSERT INTO scores (run_id, cell_id, metric, value, images, unit)"
        " VALUES (?, ?, ?, 0.5, ?, '')",
        [(run, cell, number, len(correct)) for number in numbers],
    )


def _transfers(
    db: Connection, cells: list[tuple[Any, ...]], ids: np.ndarray, random: np.random.Generator
) -> None:
    """All untargeted cells on all models, and the adapted clean predictions of each size."""
    images = ids.tolist()
    sizes = {
        model: SIZES[number % len(SIZES)]
        for number, model in enumerate(dict.fromkeys(cell[1] for cell in cells))
    }
    ways: dict[tuple[int, str], int] = {}
    for size, border in itertools.product(SIZES, ("none", "white")):
        ways[size, border] = len(ways) + 1
        db.execute(
            "INSERT INTO adaptations (id, height, width, cut, border) VALUES (?, ?, ?, 'null', ?)",
            (ways[size, border], size, size, border),
        )
    sources = [cell for cell in cells if cell[2] == "attack" and cell[4] == "untargeted"]
    targets = [cell for cell in cells if cell[2] is None]
    for pair, (source, target) in enumerate(itertools.product(sources, targets), 1):
        size, same = sizes[source[1]], sizes[source[1]] == sizes[target[1]]
        db.execute(
            "INSERT INTO pairs (id, source_cell_id, target_cell_id, adaptation_id)"
            " VALUES (?, ?, ?, ?)",
            (pair, source[0], target[0], ways[size, "none" if same else "white"]),
        )
        predicted, ranks = random.integers(CLASSES, size=(2, len(ids))).tolist()
        db.executemany(
            "INSERT INTO transfers (pair_id, image_id, predicted, rank) VALUES (?, ?, ?, ?)",
            zip(itertools.repeat(pair), images, predicted, ranks, strict=False),
        )
    for target, size in itertools.product(targets, SIZES):
        if sizes[target[1]] != size:
            predicted = random.integers(CLASSES, size=len(ids)).tolist()
            db.executemany(
                "INSERT INTO adapted_clean (target_cell_id, adaptation_id, image_id, predicted)"
                " VALUES (?, ?, ?, ?)",
                [
                    (target[0], ways[size, "white"], image, guess)
                    for image, guess in zip(images, predicted, strict=True)
                ],
            )


def seconds(command: list[str]) -> float:
    """The median wall time of five runs of ``harness`` with these arguments."""
    harness = Path(sys.executable).with_name("harness")
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([harness, *command], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("db", type=Path, nargs="?", help="an existing one is only timed")
    parser.add_argument("--images", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.db or Path(folder) / "synthetic.db"
        if not path.exists():
            fill(path, options.images)
        print(load_line())
        print(f"database: {path.stat().st_size / 1e6:.1f} MB (target: at most 150)")
        for arguments, target in COMMANDS:
            took = seconds(["leaderboard", "--db", str(path), *arguments])
            wanted = "" if target is None else f" (target: at most {target:g})"
            print(f"harness leaderboard {' '.join(arguments):24} {took:.2f} s{wanted}")


if __name__ == "__main__":
    main()
