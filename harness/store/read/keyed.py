"""What is stored of a cell by its key, image by image: to pair it with another database's."""

from __future__ import annotations

from sqlite3 import Connection
from typing import NamedTuple

from harness.api import NORMS


class Image(NamedTuple):
    """An image, the same in every database."""

    dataset: str
    name: str
    digest: str
    label: int


def predictions(db: Connection, key: str) -> dict[Image, bool]:
    """Whether each image of a clean cell is classified correctly; without those that failed."""
    rows = db.execute(
        "SELECT datasets.name, images.name, images.digest, images.label,"
        " clean.predicted = images.label"
        f" FROM clean {_IMAGES.format('clean')} AND clean.predicted IS NOT NULL",
        (key,),
    )
    return {Image(*image): bool(right) for *image, right in rows}


def robust(db: Connection, key: str) -> dict[Image, bool]:
    """Whether each image of an attack's cell stays right; a failure is not robustness."""
    rows = db.execute(
        "SELECT datasets.name, images.name, images.digest, images.label, status = 'robust'"
        f" FROM outcomes {_IMAGES.format('outcomes')}",
        (key,),
    )
    return {Image(*image): bool(stays) for *image, stays in rows}


def distortions(db: Connection, key: str, norm: str) -> dict[Image, float]:
    """The distortions of the broken images of an attack's cell."""
    if norm not in NORMS:
        raise ValueError(f"no such norm: {norm!r}")
    rows = db.execute(
        f"SELECT datasets.name, images.name, images.digest, images.label, {norm}"
        f" FROM outcomes {_IMAGES.format('outcomes')} AND status = 'broken'",
        (key,),
    )
    return {Image(*image): size for *image, size in rows}


_IMAGES = (
    "JOIN images ON images.id = {0}.image_id JOIN cells ON cells.id = {0}.cell_id"
    " JOIN components AS datasets ON datasets.id = images.dataset_id WHERE cells.key = ?"
)
