"""The queries behind the comparison of attacks: read-only, one for a norm and goal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from sqlite3 import Connection
from typing import NamedTuple

from harness.store.read.cells import NORMS


class Tried(NamedTuple):
    """One stored outcome of an attack on an image; a tuple, for there are many.

    Attributes:
        target: the class to reach; None for an untargeted attack.
        status: as in the table ``outcomes``.
        distortion: in the norm asked for, where the image was broken; else None.
    """

    model_id: int
    attack_id: int
    image_id: int
    target: int | None
    status: str
    distortion: float | None
    forwards: int
    backwards: int


def tried(
    db: Connection, *, norm: str, goal: str, models: Iterable[int]
) -> dict[int, dict[int, Tried]]:
    """All outcomes of attacks with this declared norm and goal, by cell and image.

    Args:
        models: ids of the models (their weights) whose cells are wanted, of whichever suite.
    """
    if norm not in NORMS:
        raise ValueError(f"no such norm: {norm!r}")
    rows = db.execute(
        "SELECT cells.id, model_id, attack_id, image_id, target, status,"
        f" CASE status WHEN 'broken' THEN {norm} END, forwards, backwards"
        " FROM cells CROSS JOIN outcomes ON outcomes.cell_id = cells.id"
        " WHERE cells.norm = ? AND goal = ?"
        " AND model_id IN (SELECT value FROM json_each(?))",
        (norm, goal, json.dumps(sorted(models))),
    )
    found: dict[int, dict[int, Tried]] = {}
    for cell, *row in rows:
        outcome = Tried._make(row)
        found.setdefault(cell, {})[outcome.image_id] = outcome
    return found
