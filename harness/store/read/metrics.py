"""The queries behind a board's metrics: a cell's rows over some images, and its stored scores."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from harness.api import CellRows, CleanRow, OutcomeRow, Status
from harness.store.read.cells import StoredCell, model_about


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
        clean=_clean(db, clean.id, clean_images) if clean else (),
        outcomes=_outcomes(db, cell.id, images),
    )


def _clean(db: Connection, cell: int, images: Collection[int]) -> tuple[CleanRow, ...]:
    rows = db.execute(
        "SELECT images.id, name, label, predicted FROM clean JOIN images ON images.id = image_id"
        " WHERE cell_id = ? ORDER BY images.id",
        (cell,),
    )
    return tuple(CleanRow(*row) for image, *row in rows if image in images)


def _outcomes(db: Connection, cell: int, images: Collection[int]) -> tuple[OutcomeRow, ...]:
    rows = db.execute(
        "SELECT images.id, name, label, target, status, confident, linf, l2, l1, l0, forwards,"
        " backwards, rounded_status FROM outcomes JOIN images ON images.id = image_id"
        " WHERE cell_id = ? ORDER BY images.id",
        (cell,),
    )
    return tuple(_outcome(*row) for image, *row in rows if image in images)


def _outcome(
    name: str, label: int, target: int | None, status: str, confident: int, *rest: Any
) -> OutcomeRow:
    *numbers, rounded = rest
    eight_bit = Status(rounded) if rounded else None
    return OutcomeRow(*(name, label, target, Status(status), bool(confident), *numbers, eight_bit))
