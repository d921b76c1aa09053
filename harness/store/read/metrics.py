"""The queries behind a leaderboard's metrics: a cell's rows over some images, and its scores."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from sqlite3 import Connection
from typing import TypeVar

from harness.api import CellRows
from harness.store.read.cells import StoredCell, model_about
from harness.store.read.records import clean_predictions, outcomes

_R = TypeVar("_R")


@dataclass(frozen=True, slots=True)
class StoredScore:
    """A metric of a cell over the images of a run."""

    run: int
    value: float | None


def stored_scores(db: Connection, cell: StoredCell) -> dict[str, StoredScore]:
    """The stored metrics of a cell, from the latest of the suite's runs that has any."""
    runs = json.dumps([run for run, _ in cell.runs])
    rows = db.execute(
        "SELECT metric, run_id, value FROM scores WHERE cell_id = ?1 AND run_id = (SELECT"
        " max(run_id) FROM scores WHERE cell_id = ?1 AND run_id IN (SELECT value FROM"
        " json_each(?2)))",
        (cell.id, runs),
    )
    return {metric: StoredScore(run, value) for metric, run, value in rows}


def cell_rows(
    db: Connection,
    cell: StoredCell,
    images: Collection[int],
    clean: StoredCell | None,
    clean_images: Collection[int],
) -> CellRows:
    """All that is stored of an attack cell over ``images``, and of its model's clean cell."""
    channels, height, width = model_about(db, cell.model_id)["shape"]
    return CellRows(
        model=cell.model,
        attack=cell.label,
        goal=cell.goal or "",
        shape=(channels, height, width),
        clean=_among(clean_predictions(db, clean.id), clean_images) if clean else (),
        outcomes=_among(outcomes(db, cell.id), images),
        norm=cell.task.norm if cell.task else None,
        budget=cell.task.budget if cell.task else None,
        parameters=cell.task.parameters if cell.task else {},
    )


def _among(rows: Mapping[int, _R], images: Collection[int]) -> tuple[_R, ...]:
    return tuple(row for image, row in rows.items() if image in images)
