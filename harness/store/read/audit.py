"""What ``harness verify`` reads: artifact files, saved images, measurements with their arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.api import Measured, Norm, Outcome, Status
from harness.planning import NumericPolicy
from harness.store.artifacts import KeptRow
from harness.store.read.cells import verdicts_of
from harness.store.read.records import measured, outcomes

if TYPE_CHECKING:
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
        verdicts: the numerics of its predictions.
        norm, budget: as the attack declared them; ``norm`` is None for a measurement.
    """

    id: int
    key: str
    attack: str
    goal: str
    model: Stored
    dataset: Stored
    task: Stored
    verdicts: NumericPolicy
    norm: Norm | None
    budget: float | None

    @property
    def label(self) -> str:
        return f"{self.model.name} {self.attack} {self.goal}"


@dataclass(frozen=True, slots=True)
class KeptOutcome:
    """An outcome whose candidate was saved, and where that lies.

    Attributes:
        digest: of the image's source.
        path: of the artifact's file.
    """

    outcome: Outcome
    digest: str
    kept: KeptRow
    path: str


def artifact_files(db: Database) -> dict[str, str]:
    """The SHA-256 that each sealed file of the artifact folder should have, by its name."""
    rows = db.execute("SELECT path, sha256 FROM artifacts WHERE sha256 IS NOT NULL ORDER BY path")
    return dict(rows.fetchall())


def kept_cells(db: Database) -> list[CheckedCell]:
    """The attack cells that hold saved adversarial examples, model by model."""
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
        "SELECT cells.id, cells.key, cells.label, cells.goal, cells.norm, cells.budget,"
        f" {verdicts_of('cells')} AS verdicts, {parts} FROM cells"
        " JOIN components AS models ON models.id = cells.model_id"
        " JOIN components AS datasets ON datasets.id = cells.dataset_id"
        " JOIN components AS tasks ON tasks.id = cells.attack_id"
        f" WHERE {which} ORDER BY models.id, verdicts, cells.id"
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
            verdicts=NumericPolicy(**json.loads(verdicts)),
            norm=None if norm is None else Norm(norm),
            budget=budget,
        )
        for number, key, label, goal, norm, budget, verdicts, *parts in rows
    ]


def _stored(name: str, digest: str, identity: str, about: str) -> Stored:
    return Stored(name, digest, json.loads(identity), json.loads(about))


def kept_outcomes(db: Database, cell: CheckedCell) -> list[KeptOutcome]:
    """The saved adversarial examples of a cell of `kept_cells`."""
    stored = outcomes(db.conn, cell.id)
    rows = db.execute(
        "SELECT images.id, images.digest, artifact_id, artifact_row, path"
        " FROM outcomes JOIN images ON images.id = outcomes.image_id"
        " JOIN artifacts ON artifacts.id = outcomes.artifact_id WHERE outcomes.cell_id = ?",
        [cell.id],
    )
    return [
        KeptOutcome(stored[image], digest, KeptRow(artifact, row), path)
        for image, digest, artifact, row, path in rows
    ]


def stored_measurements(db: Database, cell: CheckedCell) -> list[Measured]:
    """The images of a cell of `measured_cells` that have a result, or a reason for none."""
    rows = measured(db.conn, cell.id).values()
    return [row for row in rows if row.status in (Status.MEASURED, Status.INVALID)]
