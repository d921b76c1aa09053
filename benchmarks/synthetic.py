"""A database of the full study's size, of random numbers, and how long leaderboards take on it.

18 models, 8 attacks for 3 goals on 1,000 images, CLEVER and divergence on 100 of them, and the
transfers of all 8 attacks for one goal between all 306 pairs of models and on the diagonal. The
plan goes through the real writer; rows are inserted in bulk.

python benchmarks/synthetic.py [synthetic.db] [--images 1000]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

import numpy as np
from measure import load_line
from random_rows import CLASSES, Attack, Cell, Rows, planned, seconds, write

from harness.api import Goal, Norm
from harness.planning import Component, Plan, PlannedMeasurement

MODELS, MEASURED = 18, 100
SIZES = (224, 299, 331, 227, 128, 160)
GOALS = (Goal.UNTARGETED, Goal.RANDOM, Goal.LEAST_LIKELY)
ATTACKS: tuple[Attack, ...] = (
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
    measurements = [
        PlannedMeasurement(Component(name, {"name": name}, {}), name, goals, MEASURED)
        for name, goals in (("clever", GOALS[1:]), ("divergence", GOALS[:1]))
    ]
    return planned(models, ATTACKS, GOALS, images, keep=True, measurements=measurements)


def fill(path: Path, images: int) -> None:
    """Make the database at ``path``."""
    write(path, plan(images), "synthetic", _fill)


def _fill(rows: Rows) -> None:
    for cell in rows.cells:
        accuracy = 0.45 + 0.4 * rows.models.index(cell.model) / (MODELS - 1)
        if cell.kind is None:
            rows.add_clean(cell, accuracy)
        elif cell.norm is not None:
            rows.add_outcomes(
                cell, {"linf": 0.02, "l2": 1.0, "l1": 20.0}[cell.norm] * (2 - accuracy)
            )
        else:
            _measure(rows, cell)
    _transfer(rows)


def _measure(rows: Rows, cell: Cell) -> None:
    """CLEVER's numbers, or divergence's, of the first images."""
    right, ids = rows.right[cell.model], rows.ids[:MEASURED].tolist()
    clever = cell.name == "clever"
    numbers = ["l1.score", "l2.score", "linf.score"] if clever else ["log10_psi", "divergence"]
    targets = np.random.default_rng(1).integers(CLASSES, size=len(right)).tolist()
    correct = [index for index in range(len(ids)) if right[index]]
    rows.db.executemany(
        "INSERT INTO measured (cell_id, image_id, attempt_id, status, target, forwards, backwards)"
        " VALUES (?1, ?2, ?1, ?3, ?4, 512000, 512000)",
        [
            (
                cell.id,
                image,
                "measured" if right[index] else "clean_wrong",
                targets[index] if clever else None,
            )
            for index, image in enumerate(ids)
        ],
    )
    rows.db.executemany(
        "INSERT INTO measurements (cell_id, image_id, name, value) VALUES (?, ?, ?, ?)",
        [
            (cell.id, ids[index], number, float(rows.random.random()))
            for index in correct
            for number in numbers
        ],
    )
    rows.db.executemany(
        "INSERT INTO scores (run_id, cell_id, metric, value, images, unit)"
        " VALUES (?, ?, ?, 0.5, ?, '')",
        [(rows.run, cell.id, number, len(correct)) for number in numbers],
    )


def _transfer(rows: Rows) -> None:
    """All untargeted cells on all models, and the adapted clean predictions of each size."""
    db, images = rows.db, rows.ids.tolist()
    sizes = {model: SIZES[number % len(SIZES)] for number, model in enumerate(rows.models)}
    ways: dict[tuple[int, str], int] = {}
    for size, border in itertools.product(SIZES, ("none", "white")):
        ways[size, border] = len(ways) + 1
        db.execute(
            "INSERT INTO adaptations (id, height, width, cut, border) VALUES (?, ?, ?, 'null', ?)",
            (ways[size, border], size, size, border),
        )
    sources = [cell for cell in rows.cells if cell.norm is not None and cell.goal == "untargeted"]
    targets = [cell for cell in rows.cells if cell.kind is None]
    for pair, (source, target) in enumerate(itertools.product(sources, targets), 1):
        size, same = sizes[source.model], sizes[source.model] == sizes[target.model]
        db.execute(
            "INSERT INTO pairs (id, source_cell_id, target_cell_id, adaptation_id)"
            " VALUES (?, ?, ?, ?)",
            (pair, source.id, target.id, ways[size, "none" if same else "white"]),
        )
        predicted, ranks = rows.random.integers(CLASSES, size=(2, len(images))).tolist()
        db.executemany(
            "INSERT INTO transfers (pair_id, image_id, predicted, rank) VALUES (?, ?, ?, ?)",
            zip(itertools.repeat(pair), images, predicted, ranks, strict=False),
        )
    for target, size in itertools.product(targets, SIZES):
        if sizes[target.model] != size:
            predicted = rows.random.integers(CLASSES, size=len(images)).tolist()
            db.executemany(
                "INSERT INTO adapted_clean (target_cell_id, adaptation_id, image_id, predicted)"
                " VALUES (?, ?, ?, ?)",
                [
                    (target.id, ways[size, "white"], image, guess)
                    for image, guess in zip(images, predicted, strict=True)
                ],
            )


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
