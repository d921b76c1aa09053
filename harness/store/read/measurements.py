"""The queries behind the measurements of a board: read-only, integers inside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from sqlite3 import Connection

from harness.store.read.cells import NORMS, Runs, labels


@dataclass(frozen=True, slots=True)
class MeasuredCell:
    """A measurement's cell of a suite's runs, with the names of its scores."""

    id: int
    measurement: str
    label: str
    model_id: int
    dataset_id: int
    policy: str
    goal: str
    seed: int
    scores: tuple[str, ...]
    runs: Runs


def measured_cells(db: Connection, suite: str) -> list[MeasuredCell]:
    """All measurement cells of the suite's runs."""
    runs: dict[int, list[tuple[int, int]]] = {}
    for cell, run, images in db.execute(
        "SELECT run_cells.cell_id, runs.id, run_cells.images FROM runs"
        " JOIN run_cells ON run_cells.run_id = runs.id WHERE runs.suite = ? ORDER BY runs.id",
        (suite,),
    ):
        runs.setdefault(cell, []).append((run, images))
    scores: dict[int, list[str]] = {}
    for cell, name in db.execute("SELECT DISTINCT cell_id, metric FROM scores ORDER BY 1, 2"):
        scores.setdefault(cell, []).append(name)
    rows = db.execute(
        "SELECT attack_id, cells.id, components.name, label, model_id, dataset_id, policy, goal,"
        " seed FROM cells JOIN components ON components.id = attack_id"
        " WHERE components.kind = 'measurement' ORDER BY cells.id"
    )
    names = labels(db, suite, "measurements")
    cells = [
        (component, MeasuredCell(*(*row, tuple(scores.get(row[0], ())), tuple(runs[row[0]]))))
        for component, *row in rows
        if row[0] in runs
    ]
    return [replace(cell, label=names.get(component, cell.label)) for component, cell in cells]


def values(db: Connection, cell: int, name: str) -> dict[int, float]:
    """One number of the images of a cell that were measured."""
    return dict(
        db.execute(
            "SELECT measured.image_id, value FROM measured JOIN measurements"
            " ON measurements.cell_id = measured.cell_id"
            " AND measurements.image_id = measured.image_id"
            " WHERE measured.cell_id = ? AND status = 'measured' AND name = ?",
            (cell, name),
        ).fetchall()
    )


def statuses(db: Connection, cell: int) -> dict[int, str]:
    """What became of each image of a measurement's cell."""
    rows = db.execute("SELECT image_id, status FROM measured WHERE cell_id = ?", (cell,))
    return dict(rows.fetchall())


def smallest_distortions(db: Connection, cell: int, norm: str) -> dict[int, float]:
    """What broke the images of a measurement's cell with the smallest distortion in ``norm``.

    Any stored attack on the same model for the same goal and target counts, whatever its own norm.
    """
    if norm not in NORMS:
        raise ValueError(f"no such norm: {norm!r}")
    return dict(
        db.execute(
            # CROSS JOIN keeps the order: few cells, then the images of each by its key. Left alone
            # SQLite looks up all of an image's outcomes instead, on all models.
            f"SELECT measured.image_id, min(outcomes.{norm}) FROM cells AS this"
            " JOIN cells ON cells.model_id = this.model_id AND cells.dataset_id = this.dataset_id"
            " AND cells.goal = this.goal"
            " CROSS JOIN measured ON measured.cell_id = this.id"
            " CROSS JOIN outcomes ON outcomes.cell_id = cells.id"
            " AND outcomes.image_id = measured.image_id"
            " AND outcomes.target IS measured.target AND outcomes.status = 'broken'"
            " WHERE this.id = ? GROUP BY 1",
            (cell,),
        ).fetchall()
    )
