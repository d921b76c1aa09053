"""Measured images with the arrays that were stored of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from sqlite3 import Connection
from typing import TYPE_CHECKING

from harness.api import ImageKey
from harness.api.measured import MeasuredImage
from harness.store.read.runs import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ONE = (
    " cell_id = (SELECT id FROM cells WHERE key = ?) AND image_id IN"
    " (SELECT images.id FROM images JOIN components ON components.id = dataset_id"
    " WHERE components.name = ? AND images.name = ? AND images.digest = ? AND label = ?)"
)


def measured(db: Connection, arrays: Sequence[str]) -> list[MeasuredImage]:
    """The valid measurements of images that have all of ``arrays``, in the order of their cells."""
    rows = db.execute(
        "SELECT cells.key, models.name, cells.label, goal,"
        " seed, datasets.name, images.name, images.digest, images.label, target,"
        " (SELECT json_group_object(name, value) FROM measurements WHERE"
        "  measurements.cell_id = measured.cell_id AND measurements.image_id = measured.image_id)"
        " FROM measured JOIN cells ON cells.id = cell_id JOIN images ON images.id = image_id"
        " JOIN components AS models ON models.id = model_id"
        " JOIN components AS datasets ON datasets.id = cells.dataset_id"
        " WHERE status = 'measured' AND ? = (SELECT count(*) FROM arrays WHERE"
        "  arrays.cell_id = measured.cell_id AND arrays.image_id = measured.image_id"
        f"  AND name IN ({', '.join('?' * len(arrays))}))"
        " ORDER BY measured.cell_id, images.name, measured.image_id",
        (len(arrays), *arrays),
    )
    return [
        MeasuredImage(
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
        for cell, model, measurement, goal, seed, dataset, name, digest, label, target, numbers
        in rows
    ]  # fmt: skip


def arrays(db: Connection, image: MeasuredImage) -> dict[str, NDArray[np.float32]]:
    """All that were stored of it, (n,) each."""
    import numpy as np

    rows = db.execute(f"SELECT name, data FROM arrays WHERE{_ONE}", _key(image))
    return {name: np.frombuffer(data, "<f4").astype(np.float32) for name, data in rows}


def origin(db: Connection, image: MeasuredImage) -> Row:
    """Where it comes from, JSON-like: identities, numerics, passes, run and environment."""
    row = db.execute(
        "SELECT models.identity, measures.identity, measures.about, policy, forwards, backwards,"
        " runs.id, runs.suite, command, attempts.device, facts FROM"
        f" (SELECT * FROM measured WHERE{_ONE}) AS measured"
        " JOIN cells ON cells.id = measured.cell_id"
        " JOIN components AS models ON models.id = model_id"
        " JOIN components AS measures ON measures.id = attack_id"
        " JOIN attempts ON attempts.id = attempt_id JOIN runs ON runs.id = run_id"
        " JOIN environments ON environments.id = environment_id",
        _key(image),
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


def _key(image: MeasuredImage) -> tuple[object, ...]:
    return image.cell, image.dataset, image.image.name, image.image.digest, image.image.label
