"""What the report alone asks the database: read-only, integers inside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any


def confident(db: Connection, cell: int, images: Iterable[int]) -> int:
    """How many of the ``images`` of a cell are broken with the margin that was asked for."""
    wanted = set(images)
    rows = db.execute(
        "SELECT image_id FROM outcomes WHERE cell_id = ? AND status = 'broken' AND confident",
        (cell,),
    )
    return sum(image in wanted for (image,) in rows)


def devices(db: Connection, suite: str) -> list[str]:
    """What the suite's cells ran on."""
    rows = db.execute(
        "SELECT DISTINCT device FROM attempts JOIN runs ON runs.id = run_id WHERE suite = ?"
        " ORDER BY 1",
        (suite,),
    )
    return [device for (device,) in rows]


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept candidate: where its pixels lie, what it is, and what became of it."""

    artifact: int
    row: int
    model: str
    identity: Mapping[str, Any]
    attack: str
    goal: str
    dataset: str
    image: str
    digest: str
    label: int
    status: str
    target: int | None
    predicted: int | None
    linf: float | None
    l2: float | None


def kept(db: Connection, suite: str, image: int) -> list[Kept]:
    """The suite's kept candidates of an image, model by model in the order of the cells."""
    rows = db.execute(
        "SELECT artifact_id, artifact_row, models.name, models.identity, cells.label, goal,"
        " datasets.name, images.name, images.digest, images.label, status, target, predicted,"
        " linf, l2 FROM outcomes JOIN cells ON cells.id = cell_id"
        " JOIN images ON images.id = image_id"
        " JOIN components AS models ON models.id = model_id"
        " JOIN components AS datasets ON datasets.id = cells.dataset_id"
        " WHERE image_id = ? AND artifact_id IS NOT NULL AND cell_id IN (SELECT cell_id"
        " FROM run_cells JOIN runs ON runs.id = run_id WHERE suite = ?) ORDER BY cells.id",
        (image, suite),
    )
    found = []
    for artifact, place, model, identity, *rest in rows:
        found.append(Kept(artifact, place, model, json.loads(identity), *rest))
    return found


def kept_images(db: Connection, suite: str, most: int) -> list[int]:
    """The first images, in plan order, that have a kept candidate which broke a model."""
    rows = db.execute(
        "SELECT outcomes.image_id FROM outcomes JOIN run_cells USING (cell_id)"
        " JOIN runs ON runs.id = run_cells.run_id"
        " JOIN run_images ON run_images.run_id = runs.id"
        " AND run_images.image_id = outcomes.image_id"
        " WHERE suite = ? AND artifact_id IS NOT NULL AND outcomes.status = 'broken'"
        " GROUP BY 1 ORDER BY min(position) LIMIT ?",
        (suite, most),
    )
    return [image for (image,) in rows]


@dataclass(frozen=True, slots=True)
class Surface:
    """One measurement ``surface``: its arrays as little-endian float32 bytes, by name."""

    model: str
    label: str
    image: str
    arrays: Mapping[str, bytes]


def surfaces(db: Connection, suite: str) -> list[Surface]:
    """All surfaces of the suite's models and images."""
    places = db.execute(
        "SELECT measured.cell_id, image_id, models.name, cells.label, images.name FROM measured"
        " JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id"
        " JOIN components ON components.id = attack_id"
        " JOIN components AS models ON models.id = model_id"
        " WHERE components.name = 'surface' AND measured.status = 'measured' AND cell_id IN"
        " (SELECT cell_id FROM run_cells JOIN runs ON runs.id = run_id WHERE suite = ?)"
        " ORDER BY image_id, cell_id",
        (suite,),
    ).fetchall()
    return [
        Surface(model, label, name, _arrays(db, cell, image))
        for cell, image, model, label, name in places
    ]


def _arrays(db: Connection, cell: int, image: int) -> dict[str, bytes]:
    query = "SELECT name, data FROM arrays WHERE cell_id = ? AND image_id = ?"
    return dict(db.execute(query, (cell, image)).fetchall())
