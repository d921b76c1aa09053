"""What is stored for each image of one cell: read-only, by the images' numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from sqlite3 import Connection

from harness.api import NORMS, Status
from harness.api.attacked import OutcomeRow
from harness.api.trial import ModelTrial
from harness.store.read.cells import Runs
from harness.store.read.parts import placeholder, plan_images
from harness.store.schema.latest import REPLACED

_STATUSES = {status.value: status for status in Status}


def images_of(db: Connection, runs: Runs) -> frozenset[int]:
    """The images that a cell takes in ``runs``.

    Where a file changed between runs (or could not be read before), its latest content counts. An
    image that only parts of a run have which are not here is a `placeholder`, with no result.
    """
    latest: dict[tuple[int, str], int] = {}
    planned: set[tuple[int, str]] = set()
    for run, count in runs:
        for dataset, name, image in db.execute(
            "SELECT images.dataset_id, images.name, images.id FROM run_images"
            " JOIN images ON images.id = run_images.image_id"
            " WHERE run_images.run_id = ? AND run_images.position < ?",
            (run, count),
        ):
            latest[dataset, name] = image
        if whole := plan_images(db, run):
            planned.update((whole[0], name) for name in whole[1][:count])
    missing = (placeholder(*image) for image in planned - latest.keys())
    return frozenset((*latest.values(), *missing))


def correct(db: Connection, cell: int) -> dict[int, bool | None]:
    """Whether each image of a clean cell is classified correctly; None where that failed."""
    rows = db.execute(
        "SELECT clean.image_id, clean.predicted = images.label FROM clean"
        " JOIN images ON images.id = clean.image_id WHERE clean.cell_id = ?",
        (cell,),
    )
    return {image: None if right is None else bool(right) for image, right in rows}


def outcomes(db: Connection, cell: int, *, replaced: bool = True) -> dict[int, OutcomeRow]:
    """The outcomes of an attack's cell, those of images that were ``replaced`` too or not."""
    rows = db.execute(
        f"SELECT image_id, {', '.join(OutcomeRow._fields)} FROM outcomes WHERE cell_id = ?"
        f" AND (? OR image_id NOT IN {REPLACED})",
        (cell, replaced),
    )
    # As `OutcomeRow(...)`, which takes twice as long: there are very many.
    new, statuses = tuple.__new__, _STATUSES
    return {row[0]: new(OutcomeRow, (statuses[row[1]], *row[2:])) for row in rows}


def statuses(db: Connection, cell: int) -> dict[int, str]:
    """The status of each image of a measurement's cell."""
    rows = db.execute("SELECT image_id, status FROM measured WHERE cell_id = ?", (cell,))
    return dict(rows.fetchall())


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


def targets(db: Connection, cell: int) -> dict[int, int | None]:
    """The classes to reach of the images of a cell that were measured; None: untargeted."""
    return dict(
        db.execute(
            "SELECT image_id, target FROM measured WHERE cell_id = ? AND status = 'measured'",
            (cell,),
        ).fetchall()
    )


def smallest_distortions(db: Connection, cell: int, norm: str) -> dict[int, float]:
    """The smallest known distortions in ``norm`` of the images of a measurement's cell.

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


def numbers(db: Connection, cell: int, names: Sequence[str]) -> dict[str, dict[int, float]]:
    """Further numbers of an attack's cell: by name, that of each image that has it."""
    found: dict[str, dict[int, float]] = {}
    for name, image, value in db.execute(
        "SELECT name, image_id, value FROM measurements WHERE cell_id = ?"
        " AND name IN (SELECT value FROM json_each(?))",
        (cell, json.dumps(names)),
    ):
        found.setdefault(name, {})[image] = value
    return found


def margins(db: Connection, cell: int) -> list[float]:
    """The margins of the images that a clean cell's model classifies correctly."""
    rows = db.execute(
        "SELECT margin FROM clean JOIN images ON images.id = clean.image_id"
        " WHERE clean.cell_id = ? AND clean.predicted = images.label AND margin IS NOT NULL",
        (cell,),
    )
    return [margin for (margin,) in rows]


def trials(db: Connection) -> dict[int, ModelTrial]:
    """The results of the trials of models, by their clean cells."""
    rows = db.execute(
        "SELECT cell_id, images, difference, outputs, nearby, gradient_error, dynamic FROM trials"
    )
    return {
        cell: ModelTrial(images, difference, outputs, nearby, error, _flag(dynamic))
        for cell, images, difference, outputs, nearby, error, dynamic in rows
    }


def _flag(stored: int | None) -> bool | None:
    return None if stored is None else bool(stored)


def last_error(db: Connection, cells: Sequence[int]) -> str | None:
    """The error of the latest attempt on one of the cells that failed, or of an image."""
    marks = ", ".join("?" * len(cells))
    for table, order in (("attempts", "id"), ("outcomes", "attempt_id"), ("clean", "attempt_id")):
        row = db.execute(
            f"SELECT error FROM {table} WHERE cell_id IN ({marks}) AND error IS NOT NULL"
            f" ORDER BY {order} DESC LIMIT 1",
            tuple(cells),
        ).fetchone()
        if row is not None:
            return str(row[0])
    return None


def samples(db: Connection, cells: Sequence[int]) -> tuple[list[str], list[tuple[object, ...]]]:
    """The columns and rows of the view ``samples`` for the outcomes of ``cells``."""
    marks = ", ".join("?" * len(cells))
    found = db.execute(
        "SELECT * FROM samples WHERE cell_key IN"
        f" (SELECT key FROM cells WHERE id IN ({marks})) ORDER BY cell_key, image_id",
        list(cells),
    )
    return [column[0] for column in found.description], found.fetchall()
