"""Databases of random numbers through the real writer, and how long leaderboards take on them.

Images that are hard are so for every model, so that models differ as real ones do.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any, NamedTuple

import numpy as np

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

CLASSES = 1000
Attack = tuple[str, str, Norm, float | None]
"""Name, label, norm and budget."""


class Cell(NamedTuple):
    """A stored cell; ``kind`` is attack, measurement or None, of a clean one."""

    id: int
    model: int
    kind: str | None
    name: str | None
    goal: str
    norm: str | None
    budget: float | None


def planned(
    models: Sequence[Component],
    attacks: Sequence[Attack],
    goals: tuple[Goal, ...],
    images: int,
    *,
    keep: bool = False,
    measurements: Sequence[PlannedMeasurement] = (),
) -> Plan:
    """A suite of these models, attacks for the goals and so many images."""
    cells = plan_cells(
        models=models,
        attacks=[
            PlannedAttack(
                Component(name, {"name": name, "label": label}, {}),
                *(label, norm, budget, goals, None),
                keep=keep,
                eight_bit=False,
            )
            for name, label, norm, budget in attacks
        ],
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
                "goals": [goal.value for goal in goals],
                "parameters": {},
            }
            for name, label, norm, budget in attacks
        ],
        "seed": 0,
    }
    return Plan("synthetic", definition, 0, cells)


def write(path: Path, study: Plan, command: str, fill: Callable[[Rows], None]) -> None:
    """Make the database at ``path``; ``fill`` adds the rows of all cells."""
    with Writer.open(path, command=[command]) as writer:
        run = writer.begin_run(
            study,
            environment={"python": "3"},
            command=[command],
            images=[
                ImageKey(image.id, f"{number:064x}", image.label)
                for number, image in enumerate(study.cells[0].images)
            ],
        )
        with transaction(writer.db) as connection:
            fill(Rows(connection, run))
        writer.finish_run(run, status="done", exit_code=0)


class Rows:
    """The rows of a run.

    Attributes:
        cells: all of them, and ``models`` their models, in order.
        ids: of the images.
        right: of each model that has clean rows, which images it classifies correctly.
    """

    def __init__(self, db: Connection, run: int) -> None:
        self.db, self.run, self.random = db, run, np.random.default_rng(0)
        found = db.execute(
            "SELECT cells.id, model_id, components.kind, components.name, goal, norm, budget"
            " FROM cells LEFT JOIN components ON components.id = attack_id ORDER BY cells.id"
        )
        self.cells = [Cell(*row) for row in found]
        self.models = list(dict.fromkeys(cell.model for cell in self.cells))
        self._labels = dict(db.execute("SELECT id, label FROM images"))
        images = db.execute("SELECT image_id FROM run_images ORDER BY position")
        self.ids = np.array([image for (image,) in images])
        db.executemany(
            "INSERT INTO attempts (id, cell_id, run_id, started, status, device, batch_size)"
            " VALUES (?, ?, ?, '2026-01-01', 'done', 'cpu', 8)",
            [(cell.id, cell.id, run) for cell in self.cells],
        )
        self._hard = self.random.standard_normal(len(self.ids))
        self.right: dict[int, np.ndarray] = {}

    def add_clean(self, cell: Cell, accuracy: float) -> None:
        """Predictions of a model with about this accuracy."""
        limit = statistics.NormalDist().inv_cdf(accuracy)
        right = 0.8 * self._hard + 0.6 * self.random.standard_normal(len(self.ids)) < limit
        self.right[cell.model] = right
        margins = self.random.normal(size=len(self.ids)).tolist()
        self.db.executemany(
            "INSERT INTO clean (cell_id, image_id, attempt_id, predicted, margin, least, second)"
            " VALUES (?1, ?2, ?1, ?3, ?4, ?5, ?6)",
            [
                (cell.id, image, (self._labels[image] + (not correct)) % CLASSES, margin, 900, 7)
                for image, correct, margin in zip(
                    self.ids.tolist(), right.tolist(), margins, strict=True
                )
            ],
        )

    def add_outcomes(self, cell: Cell, typical: float) -> None:
        """Outcomes of an attack whose distortions are about ``typical``, or its budget."""
        count = len(self.ids)
        noise = 0.4 * self._hard + 0.4 * self.random.standard_normal(count)
        self.db.executemany(
            "INSERT INTO outcomes (cell_id, image_id, attempt_id, status, target, predicted,"
            " margin, confident, linf, l2, l1, l0, forwards, backwards)"
            " VALUES (?1, ?2, ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            self._outcomes(cell, typical * np.exp(noise)),
        )

    def _outcomes(self, cell: Cell, sizes: np.ndarray) -> Iterator[tuple[object, ...]]:
        count = len(self.ids)
        robust = self.random.random(count) < (0.01 if cell.budget is None else 0.2)
        # The same targets for every model.
        targets = np.random.default_rng(1).integers(CLASSES, size=count).tolist()
        margins = self.random.normal(size=count).tolist()
        for index, image in enumerate(self.ids.tolist()):
            target = None if cell.goal == "untargeted" else targets[index]
            if not self.right[cell.model][index]:
                yield cell.id, image, "clean_wrong", target, None, None, 0, *[None] * 4, 0, 0
                continue
            size = float(sizes[index]) if cell.budget is None else cell.budget
            status = "robust" if robust[index] else "broken"
            norms = (size, 20 * size, 900 * size, 150_000)
            predicted, margin = index % CLASSES, margins[index]
            yield cell.id, image, status, target, predicted, margin, 1, *norms, 9000, 450


def seconds(command: list[str]) -> float:
    """The median wall time of five runs of ``harness`` with these arguments."""
    harness = Path(sys.executable).with_name("harness")
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([harness, *command], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)
