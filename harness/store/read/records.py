"""The stored results of a cell, as the records that were written; by the images' ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sqlite3 import Connection
from types import MappingProxyType

import numpy as np

from harness.api import CleanPrediction, Measured, Outcome
from harness.store.columns import CLEAN, MEASURED, OUTCOME


def clean_predictions(db: Connection, cell: int) -> dict[int, CleanPrediction]:
    """The clean predictions of a clean cell."""
    rows = db.execute(_select("clean", CLEAN.names), (cell,))
    return {
        image: CLEAN.read(values, image_id=name, label=label)
        for image, name, label, *values in rows
    }


def outcomes(db: Connection, cell: int) -> dict[int, Outcome]:
    """The outcomes of an attack's cell, with their numbers."""
    numbers = _numbers(db, cell)
    rows = db.execute(_select("outcomes", OUTCOME.names), (cell,))
    return {
        image: OUTCOME.read(values, image_id=name, label=label, numbers=numbers.get(image, {}))
        for image, name, label, *values in rows
    }


def measured(db: Connection, cell: int) -> dict[int, Measured]:
    """The images of a measurement's cell, with their numbers and arrays."""
    numbers = _numbers(db, cell)
    arrays: dict[int, dict[str, np.ndarray]] = {}
    for image, name, data in db.execute(
        "SELECT image_id, name, data FROM arrays WHERE cell_id = ?", (cell,)
    ):
        arrays.setdefault(image, {})[name] = np.frombuffer(data, "<f4").astype(np.float32)
    rows = db.execute(_select("measured", MEASURED.names), (cell,))
    return {
        image: MEASURED.read(
            values, image_id=name, numbers=numbers.get(image, {}), arrays=arrays.get(image, {})
        )
        for image, name, _, *values in rows
    }


def _select(table: str, columns: Sequence[str]) -> str:
    return (
        f"SELECT images.id, images.name, images.label, {', '.join(columns)} FROM {table}"
        " JOIN images ON images.id = image_id WHERE cell_id = ? ORDER BY images.id"
    )


def _numbers(db: Connection, cell: int) -> dict[int, Mapping[str, float]]:
    """They go to several metrics, none of which can change them."""
    found: dict[int, dict[str, float]] = {}
    rows = db.execute("SELECT image_id, name, value FROM measurements WHERE cell_id = ?", (cell,))
    for image, name, value in rows:
        found.setdefault(image, {})[name] = value
    return {image: MappingProxyType(numbers) for image, numbers in found.items()}
