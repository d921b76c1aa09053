"""Stored surfaces: measurements whose arrays are ``a``, ``b``, ``loss`` and ``margin``."""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from sqlite3 import Connection

from harness.api import ImageKey
from harness.store.read.runs import Row

ARRAYS = ("a", "b", "loss", "margin")


@dataclass(frozen=True, slots=True)
class StoredSurface:
    """A surface of one image, without its grids.

    Attributes:
        cell_id, image_id: for `grids` and `provenance`.
        cell: the key.
        measurement: the label, with the parameters that are not their defaults.
        target: the target class; None for untargeted.
        numbers: those of the reading, by name.
    """

    cell_id: int
    image_id: int
    cell: str
    model: str
    measurement: str
    goal: str
    seed: int
    dataset: str
    image: ImageKey
    target: int | None
    numbers: Mapping[str, float]


def surfaces(db: Connection) -> list[StoredSurface]:
    """All valid ones, in the order of their cells."""
    rows = db.execute(
        "SELECT measured.cell_id, measured.image_id, cells.key, models.name, cells.label, goal,"
        " seed, datasets.name, images.name, images.digest, images.label, target,"
        " (SELECT json_group_object(name, value) FROM measurements WHERE"
        "  measurements.cell_id = measured.cell_id AND measurements.image_id = measured.image_id)"
        " FROM measured JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id"
        " JOIN components AS models ON models.id = model_id"
        " JOIN components AS datasets ON datasets.id = cells.dataset_id"
        " WHERE status = 'measured' AND ? = (SELECT count(*) FROM arrays WHERE"
        "  arrays.cell_id = measured.cell_id AND arrays.image_id = measured.image_id"
        f"  AND name IN ({', '.join('?' * len(ARRAYS))}))"
        " ORDER BY measured.cell_id, images.name, measured.image_id",
        (len(ARRAYS), *ARRAYS),
    )
    return [
        StoredSurface(
            cell_id=cell_id,
            image_id=image_id,
            cell=cell,
            model=model,
            measurement=measurement,
            goal=goal,
            seed=seed,
            dataset=dataset,
            image=ImageKey(name, digest, label),
            target=target,
            numbers=json.loads(numbers),
        )
        for cell_id, image_id, cell, model, measurement, goal, seed, dataset, name, digest, label,
        target, numbers in rows
    ]  # fmt: skip


def grids(db: Connection, surface: StoredSurface) -> dict[str, list[float]]:
    """``a`` and ``b``, (points,) each, and ``loss`` and ``margin`` row by row of ``b``."""
    found: dict[str, list[float]] = {}
    for name, data in db.execute(
        "SELECT name, data FROM arrays WHERE cell_id = ? AND image_id = ?",
        (surface.cell_id, surface.image_id),
    ):
        values = array("f", data)
        if sys.byteorder == "big":
            values.byteswap()
        found[name] = values.tolist()
    return found


def provenance(db: Connection, surface: StoredSurface) -> Row:
    """The origin of a surface, JSON-like: identities, numerics, passes, run and environment."""
    row = db.execute(
        "SELECT models.identity, measures.identity, measures.about, policy, forwards, backwards,"
        " runs.id, runs.suite, command, attempts.device, facts FROM measured"
        " JOIN cells ON cells.id = measured.cell_id"
        " JOIN components AS models ON models.id = model_id"
        " JOIN components AS measures ON measures.id = attack_id"
        " JOIN attempts ON attempts.id = attempt_id JOIN runs ON runs.id = run_id"
        " JOIN environments ON environments.id = environment_id"
        " WHERE measured.cell_id = ? AND image_id = ?",
        (surface.cell_id, surface.image_id),
    ).fetchone()
    model, identity, about, policy, forwards, backwards, run, suite, command, device, facts = row
    return {
        "model": json.loads(model),
        "measurement": json.loads(identity) | {"parameters": json.loads(about)["parameters"]},
        "policy": json.loads(policy),
        "forwards": forwards,
        "backwards": backwards,
        "run": run,
        "suite": suite,
        "command": json.loads(command),
        "device": device,
        "environment": json.loads(facts),
    }
