"""What a run asks the database: what is done, and a cell's rows for its metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from harness.api import ZERO_GRADIENT, CellRows, CleanPrediction, ImageKey, Status
from harness.store.columns import CLEAN, JUDGED, RETRYABLE
from harness.store.read.cells import verdicts_of
from harness.store.read.records import clean_predictions, outcomes

if TYPE_CHECKING:
    from sqlite_utils import Database

    from harness.planning import Adaptation, Pair

_R = TypeVar("_R")

_KEY = "images.name, images.digest, images.label"
"""The columns of an `ImageKey`."""


def done_clean(
    db: Database, cell_key: str, *, retry_errors: bool
) -> dict[ImageKey, CleanPrediction]:
    """The stored clean predictions of a clean cell.

    With ``retry_errors`` those that failed do not count.
    """
    rows = db.execute(
        f"SELECT {_KEY}, {', '.join(CLEAN.names)}"
        " FROM clean JOIN cells ON cells.id = clean.cell_id"
        " JOIN images ON images.id = clean.image_id"
        " WHERE cells.key = ? AND NOT (? AND error IS NOT NULL)",
        [cell_key, retry_errors],
    )
    found = ((ImageKey._make(row[:3]), row[3:]) for row in rows)
    return {key: CLEAN.read(values, image_id=key.name, label=key.label) for key, values in found}


def done_results(db: Database, cell_key: str, table: str, *, retry_errors: bool) -> set[ImageKey]:
    """The images of a cell that have a result in ``table``: ``outcomes`` or ``measured``.

    With ``retry_errors`` those that may be computed again do not count.
    """
    rows = db.execute(
        f"SELECT {_KEY} FROM {table} JOIN cells ON cells.id = cell_id"
        " JOIN images ON images.id = image_id"
        f" WHERE cells.key = ? AND NOT (? AND status IN {RETRYABLE})",
        [cell_key, retry_errors],
    )
    return set(map(ImageKey._make, rows))


_PAIR = (
    "FROM pairs JOIN cells AS sources ON sources.id = source_cell_id"
    " JOIN cells AS targets ON targets.id = target_cell_id"
    " JOIN adaptations ON adaptations.id = adaptation_id"
)


def done_transfers(db: Database, pair: Pair, *, retry_errors: bool) -> set[ImageKey]:
    """The images of a pair whose transfer is stored.

    With ``retry_errors`` those for which the target returned NaN or infinity do not count.
    """
    how = pair.adaptation
    rows = db.execute(
        f"SELECT {_KEY} {_PAIR}"
        " JOIN transfers ON transfers.pair_id = pairs.id"
        " JOIN images ON images.id = transfers.image_id"
        " WHERE sources.key = ? AND targets.key = ? AND height = ? AND width = ? AND cut = ?"
        " AND border = ? AND NOT (? AND predicted IS NULL)",
        [*(pair.source.key, pair.target.key), *how.size, how.cut, how.border, retry_errors],
    )
    return set(map(ImageKey._make, rows))


def done_adapted(
    db: Database, target_key: str, how: Adaptation, *, retry_errors: bool
) -> set[ImageKey]:
    """The images whose adapted clean prediction by a target is stored; see `done_transfers`."""
    rows = db.execute(
        f"SELECT {_KEY} FROM adapted_clean"
        " JOIN cells ON cells.id = target_cell_id"
        " JOIN adaptations ON adaptations.id = adaptation_id"
        " JOIN images ON images.id = adapted_clean.image_id"
        " WHERE cells.key = ? AND height = ? AND width = ? AND cut = ? AND border = ?"
        " AND NOT (? AND predicted IS NULL)",
        [target_key, *how.size, how.cut, how.border, retry_errors],
    )
    return set(map(ImageKey._make, rows))


def failed_transfers(db: Database) -> dict[tuple[str, str], int]:
    """By keys of source and target: how many images the target returned NaN or infinity for."""
    rows = db.execute(
        f"SELECT sources.key, targets.key, count(*) {_PAIR}"
        " JOIN transfers ON transfers.pair_id = pairs.id WHERE predicted IS NULL GROUP BY pairs.id"
    )
    return {(source, target): count for source, target, count in rows}


_OF_RUN = (
    " FROM cells JOIN run_cells ON run_cells.cell_id = cells.id"
    " JOIN run_images ON run_images.run_id = run_cells.run_id"
    " AND run_images.position < run_cells.images"
    " JOIN measured ON measured.cell_id = cells.id AND measured.image_id = run_images.image_id"
)


def measured_statuses(db: Database, run: int, cell_key: str) -> dict[Status, int]:
    """How many images of one of a run's measurement cells have which status."""
    rows = db.execute(
        f"SELECT status, count(*){_OF_RUN} WHERE run_cells.run_id = ? AND cells.key = ? GROUP BY 1",
        [run, cell_key],
    )
    return {Status(status): count for status, count in rows}


def measured_means(db: Database, run: int, cell_key: str) -> dict[str, tuple[float, int]]:
    """The mean of each number over the cell's images of status ``measured``, and their count."""
    rows = db.execute(
        f"SELECT measurements.name, avg(value), count(*){_OF_RUN}"
        " JOIN measurements ON measurements.cell_id = measured.cell_id"
        " AND measurements.image_id = measured.image_id"
        " WHERE run_cells.run_id = ? AND cells.key = ? AND status = 'measured' GROUP BY 1",
        [run, cell_key],
    )
    return {name: (mean, images) for name, mean, images in rows}


def zero_gradients(db: Database, run: int) -> list[tuple[str, int, int]]:
    """Models for which an attack's first gradient was zero everywhere, on some images of a run.

    Each with the number of these images, and of all its images that were attacked and judged.
    """
    attacked = (
        "SELECT model_id, count(DISTINCT outcomes.image_id) AS images FROM run_cells"
        " JOIN cells ON cells.id = run_cells.cell_id"
        " JOIN run_images ON run_images.run_id = run_cells.run_id"
        " AND run_images.position < run_cells.images"
        " JOIN outcomes ON outcomes.cell_id = cells.id AND outcomes.image_id = run_images.image_id"
    )
    flat = (
        f"{attacked} JOIN measurements ON measurements.cell_id = outcomes.cell_id"
        " AND measurements.image_id = outcomes.image_id AND measurements.name = :name"
    )
    which = f"WHERE run_cells.run_id = :run AND status IN {JUDGED} GROUP BY 1"
    rows = db.execute(
        f"SELECT components.name, flat.images, attacked.images FROM ({flat} {which}) AS flat"
        f" JOIN ({attacked} {which}) AS attacked ON attacked.model_id = flat.model_id"
        " JOIN components ON components.id = flat.model_id ORDER BY components.id",
        {"run": run, "name": ZERO_GRADIENT},
    )
    return list(rows)


def cell_rows(db: Database, run: int, cell_key: str) -> CellRows:
    """All that is stored of one of a run's cells, over the run's images, in plan order.

    The clean rows are those of the same model, dataset and numerics of verdicts. A clean cell has
    no outcomes and an empty goal.
    """
    cell, clean, model, about, label, goal, norm, budget, own, every = db.execute(
        "SELECT this.id, own.id, models.name, models.about, this.label, coalesce(this.goal, ''),"
        " this.norm, this.budget, json_extract(attacks.identity, '$.parameters'),"
        " json_extract(attacks.about, '$.parameters')"
        " FROM cells AS this JOIN components AS models ON models.id = this.model_id"
        " LEFT JOIN components AS attacks ON attacks.id = this.attack_id"
        " LEFT JOIN cells AS own ON own.attack_id IS NULL AND own.model_id = this.model_id"
        f" AND own.dataset_id = this.dataset_id AND own.policy = {verdicts_of('this')}"
        " WHERE this.key = ?",
        [cell_key],
    ).fetchone()
    channels, height, width = json.loads(about)["shape"]
    return CellRows(
        model=model,
        attack=label,
        goal=goal,
        shape=(channels, height, width),
        clean=_in_plan_order(db, run, clean, clean_predictions(db.conn, clean)),
        outcomes=_in_plan_order(db, run, cell, outcomes(db.conn, cell)),
        norm=norm,
        budget=budget,
        parameters=json.loads(own or "{}") | json.loads(every or "{}"),
    )


def _in_plan_order(db: Database, run: int, cell: int, rows: Mapping[int, _R]) -> tuple[_R, ...]:
    """Those of a cell's ``rows``, by image, that are of the run's images."""
    images = db.execute(
        "SELECT image_id FROM run_cells JOIN run_images ON run_images.run_id = run_cells.run_id"
        " AND position < images WHERE run_cells.run_id = ? AND cell_id = ? ORDER BY position",
        [run, cell],
    )
    return tuple(rows[image] for (image,) in images if image in rows)
