"""What is stored for each image of one cell: read-only, by the images' numbers."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection
from typing import NamedTuple

from harness.api import NORMS, ZERO_GRADIENT, Status
from harness.api.trial import ModelTrial
from harness.store.columns import JUDGED
from harness.store.read.cells import Runs
from harness.store.read.parts import placeholder, plan_images
from harness.store.schema.latest import REPLACED


class OutcomeRow(NamedTuple):
    """What statistics need of an `Outcome`; a plain tuple, because they read very many of them.

    Attributes:
        confident: whether it is broken with the margin kappa that the attack aims for.
        target: the class to reach; None for an untargeted attack.
        rounded_status: the verdict after rounding to 8 bits; None where there is none.
    """

    status: Status
    confident: bool
    linf: float | None
    l2: float | None
    l1: float | None
    l0: float | None
    target: int | None
    forwards: int
    backwards: int
    rounded_status: str | None

    def distortion(self, norm: str) -> float | None:
        """Of a broken image, in ``norm``; else None."""
        if self.status is not Status.BROKEN:
            return None
        size: float | None = getattr(self, norm)
        return size


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
    return {image: OutcomeRow(_STATUSES[status], *rest) for image, status, *rest in rows}


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


def zero_gradients(db: Connection, cell: int) -> frozenset[int]:
    """The judged images of an attack's cell whose first gradient was zero everywhere."""
    rows = db.execute(
        "SELECT image_id FROM measurements JOIN outcomes USING (cell_id, image_id)"
        f" WHERE cell_id = ? AND name = ? AND status IN {JUDGED}",
        (cell, ZERO_GRADIENT),
    )
    return frozenset(image for (image,) in rows)


def trial(db: Connection, cell: int) -> ModelTrial | None:
    """The result of the trial of a clean cell's model, if there was one."""
    row = db.execute(
        "SELECT images, difference, outputs FROM trials WHERE cell_id = ?", (cell,)
    ).fetchone()
    return None if row is None else ModelTrial(*row)


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
