"""What ``harness verify`` reads: artifact files, kept images, and readings with their arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.api import Norm

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlite_utils import Database


@dataclass(frozen=True, slots=True)
class Stored:
    """A component as it is stored: its name, the digest of its identity, and both JSON parts."""

    name: str
    digest: str
    identity: Mapping[str, Any]
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CheckedCell:
    """A cell with what its results depend on.

    Attributes:
        task: the attack or measurement.
        norm, budget: as the attack declared them; ``norm`` is None for a measurement.
    """

    id: int
    key: str
    attack: str
    goal: str
    model: Stored
    dataset: Stored
    task: Stored
    fold_batch_norm: bool
    norm: Norm | None
    budget: float | None

    @property
    def label(self) -> str:
        return f"{self.model.name} {self.attack} {self.goal}"


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An outcome whose candidate was kept, and where it lies."""

    name: str
    digest: str
    label: int
    target: int | None
    status: str
    predicted: int | None
    norms: tuple[float | None, ...]
    rounded_status: str | None
    rounded_predicted: int | None
    artifact: int
    row: int
    path: str


@dataclass(frozen=True, slots=True)
class StoredReading:
    """A reading with the arrays that its numbers came from."""

    name: str
    status: str
    numbers: Mapping[str, float]
    arrays: Mapping[str, NDArray[np.float32]]


NORMS = ("linf", "l2", "l1", "l0")
"""The columns of `KeptImage.norms`."""


def artifact_files(db: Database) -> dict[str, str]:
    """The SHA-256 that each sealed file of the artifact folder should have, by its name."""
    rows = db.execute("SELECT path, sha256 FROM artifacts WHERE sha256 IS NOT NULL ORDER BY path")
    return dict(rows.fetchall())


def kept_cells(db: Database) -> list[CheckedCell]:
    """The attack cells that hold kept images, model by model."""
    return _cells(db, "cells.id IN (SELECT cell_id FROM artifacts)")


def measured_cells(db: Database) -> list[CheckedCell]:
    """The measurements' cells, model by model."""
    return _cells(db, "tasks.kind = 'measurement'")


def _cells(db: Database, which: str) -> list[CheckedCell]:
    parts = ", ".join(
        f"{kind}.{column}"
        for kind in ("models", "datasets", "tasks")
        for column in ("name", "digest", "identity", "about")
    )
    rows = db.execute(
        "SELECT cells.id, cells.key, cells.label, cells.goal, cells.policy, cells.norm,"
        f" cells.budget, {parts} FROM cells"
        " JOIN components AS models ON models.id = cells.model_id"
        " JOIN components AS datasets ON datasets.id = cells.dataset_id"
        " JOIN components AS tasks ON tasks.id = cells.attack_id"
        f" WHERE {which} ORDER BY models.id, cells.policy, cells.id"
    ).fetchall()
    return [
        CheckedCell(
            id=number,
            key=key,
            attack=label,
            goal=goal,
            model=_stored(*parts[:4]),
            dataset=_stored(*parts[4:8]),
            task=_stored(*parts[8:]),
            fold_batch_norm=json.loads(policy)["fold_batch_norm"],
            norm=None if norm is None else Norm(norm),
            budget=budget,
        )
        for number, key, label, goal, policy, norm, budget, *parts in rows
    ]


def _stored(name: str, digest: str, identity: str, about: str) -> Stored:
    return Stored(name, digest, json.loads(identity), json.loads(about))


def kept_images(db: Database, cell: CheckedCell) -> list[KeptImage]:
    """The kept images of a cell of `kept_cells`."""
    rows = db.execute(
        "SELECT images.name, images.digest, images.label, target, status, predicted,"
        f" {', '.join(NORMS)}, rounded_status, rounded_predicted, artifact_id, artifact_row, path"
        " FROM outcomes JOIN images ON images.id = outcomes.image_id"
        " JOIN artifacts ON artifacts.id = outcomes.artifact_id WHERE outcomes.cell_id = ?",
        [cell.id],
    ).fetchall()
    return [KeptImage(*(*row[:6], tuple(row[6:10]), *row[10:])) for row in rows]


def stored_readings(db: Database, cell: CheckedCell) -> list[StoredReading]:
    """The readings of a cell of `measured_cells` that came to something or to a reason."""
    rows = db.execute(
        "SELECT images.id, images.name, status FROM measured"
        " JOIN images ON images.id = measured.image_id"
        " WHERE cell_id = ? AND status IN ('measured', 'invalid')",
        [cell.id],
    ).fetchall()
    numbers: dict[int, dict[str, float]] = {}
    for image, name, value in db.execute(
        "SELECT image_id, name, value FROM measurements WHERE cell_id = ?", [cell.id]
    ):
        numbers.setdefault(image, {})[name] = value
    arrays: dict[int, dict[str, NDArray[np.float32]]] = {}
    for image, name, data in db.execute(
        "SELECT image_id, name, data FROM arrays WHERE cell_id = ?", [cell.id]
    ):
        arrays.setdefault(image, {})[name] = np.frombuffer(data, "<f4").astype(np.float32)
    return [
        StoredReading(name, status, numbers.get(image, {}), arrays.get(image, {}))
        for image, name, status in rows
    ]
