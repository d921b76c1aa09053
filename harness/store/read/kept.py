"""Saved adversarial examples by attack cell: what each is of, and where its pixels lie."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from harness.store.artifacts import KeptRow

if TYPE_CHECKING:
    from sqlite_utils import Database


@dataclass(frozen=True, slots=True)
class KeptImage:
    """A saved adversarial example.

    Attributes:
        id: the image's, within its dataset; ``digest``: of its source.
        target: the class to reach; None for an untargeted attack.
        prediction: its own model's, in the verdict.
        rounded_status: the verdict after rounding to 8 bits; None where there is none.
    """

    place: KeptRow
    id: str
    digest: str
    label: int
    target: int | None
    prediction: int
    status: str
    rounded_status: str | None


@dataclass(frozen=True, slots=True)
class KeptSet:
    """The saved adversarial examples of an attack cell, in the order of their pixels.

    Attributes:
        shape: of each: (channels, height, width).
    """

    cell_key: str
    model: str
    attack: str
    goal: str
    dataset: str
    shape: tuple[int, int, int]
    images: tuple[KeptImage, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which sets: globs, of which one has to match; none given: all.

    Attributes:
        suite: the runs' suite; None: any.
        attacks: of names or labels.
    """

    suite: str | None = None
    models: Collection[str] = ()
    attacks: Collection[str] = ()
    goals: Collection[str] = ()

    def takes(self, model: str, attack: str, label: str, goal: str) -> bool:
        return all(
            not globs or any(fnmatchcase(name, glob) for glob in globs for name in names)
            for globs, names in (
                (self.models, (model,)),
                (self.attacks, (attack, label)),
                (self.goals, (goal,)),
            )
        )


def kept_sets(db: Database, choice: Choice) -> list[KeptSet]:
    """The sets that are stored, in the order of their cells."""
    rows = db.execute(
        "SELECT cells.id, cells.key, models.name, attacks.name, cells.label, cells.goal,"
        " datasets.name, min(artifacts.shape) FROM artifacts"
        " JOIN cells ON cells.id = artifacts.cell_id"
        " JOIN components AS models ON models.id = model_id"
        " JOIN components AS attacks ON attacks.id = attack_id"
        " JOIN components AS datasets ON datasets.id = cells.dataset_id"
        " WHERE ?1 IS NULL OR cells.id IN (SELECT cell_id FROM run_cells JOIN runs"
        " ON runs.id = run_id WHERE suite = ?1) GROUP BY cells.id ORDER BY cells.id",
        [choice.suite],
    ).fetchall()
    found = []
    for cell, key, model, attack, label, goal, dataset, shape in rows:
        if choice.takes(model, attack, label, goal) and (images := _images(db, cell)):
            size = tuple(json.loads(shape))
            found.append(KeptSet(key, model, label, goal, dataset, size, images))
    return found


def _images(db: Database, cell: int) -> tuple[KeptImage, ...]:
    rows = db.execute(
        "SELECT artifact_id, artifact_row, name, digest, label, target, predicted, status,"
        " rounded_status FROM outcomes JOIN images ON images.id = image_id"
        " WHERE cell_id = ? AND artifact_id IS NOT NULL ORDER BY artifact_id, artifact_row",
        [cell],
    )
    return tuple(KeptImage(KeptRow(artifact, row), *rest) for artifact, row, *rest in rows)
