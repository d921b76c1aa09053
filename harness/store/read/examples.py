"""Saved adversarial examples of one image, for people to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from harness.api import Outcome
from harness.store.artifacts import KeptRow
from harness.store.columns import OUTCOME


@dataclass(frozen=True, slots=True)
class SavedExample:
    """A saved adversarial example: where its pixels are, and what it is of.

    Attributes:
        identity: the model's.
        digest: of the clean image's source.
    """

    place: KeptRow
    model: str
    identity: Mapping[str, Any]
    attack: str
    goal: str
    dataset: str
    digest: str
    outcome: Outcome


def saved_examples(db: Connection, suite: str, image: int) -> list[SavedExample]:
    """The suite's saved adversarial examples of an image, in the order of the cells."""
    rows = db.execute(
        "SELECT artifact_id, artifact_row, models.name, models.identity, cells.label, goal,"
        " datasets.name, images.digest, images.name, images.label,"
        f" {', '.join(OUTCOME.names)} FROM outcomes JOIN cells ON cells.id = cell_id"
        " JOIN images ON images.id = image_id"
        " JOIN components AS models ON models.id = model_id"
        " JOIN components AS datasets ON datasets.id = cells.dataset_id"
        " WHERE image_id = ? AND artifact_id IS NOT NULL AND cell_id IN (SELECT cell_id"
        " FROM run_cells JOIN runs ON runs.id = run_id WHERE suite = ?) ORDER BY cells.id",
        (image, suite),
    )
    return [
        SavedExample(
            place=KeptRow(artifact, row),
            model=model,
            identity=json.loads(identity),
            attack=attack,
            goal=goal,
            dataset=dataset,
            digest=digest,
            outcome=OUTCOME.read(values, image_id=name, label=label),
        )
        for artifact, row, model, identity, attack, goal, dataset, digest, name, label, *values
        in rows
    ]  # fmt: skip


def saved_images(db: Connection, suite: str, most: int) -> list[int]:
    """The first images, in plan order, with a saved adversarial example that broke a model."""
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
