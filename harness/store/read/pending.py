"""What the scheduler asks the database: what is done, and a cell's rows for its metrics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.api import ZERO_GRADIENT, CellRows, CleanRow, OutcomeRow, Status
from harness.store.records import CleanResult, ImageKey

if TYPE_CHECKING:
    from sqlite_utils import Database

    from harness.planning import Adaptation, Pair

_KEY = "images.name, images.digest, images.label"
"""The columns of an `ImageKey`."""


def done_clean(db: Database, cell_key: str, *, retry_errors: bool) -> dict[ImageKey, CleanResult]:
    """The stored clean predictions of a clean cell.

    With ``retry_errors`` those that failed do not count.
    """
    rows = db.execute(
        f"SELECT {_KEY}, predicted, margin, least, second, error"
        " FROM clean JOIN cells ON cells.id = clean.cell_id"
        " JOIN images ON images.id = clean.image_id"
        " WHERE cells.key = ? AND NOT (? AND error IS NOT NULL)",
        [cell_key, retry_errors],
    )
    return {ImageKey._make(row[:3]): CleanResult(row[0], *row[3:]) for row in rows}


def done_outcomes(db: Database, cell_key: str, *, retry_errors: bool) -> set[ImageKey]:
    """The images of a cell that have an outcome.

    With ``retry_errors`` those of status ``error`` and ``invalid`` do not count.
    """
    rows = db.execute(
        f"SELECT {_KEY} FROM outcomes"
        " JOIN cells ON cells.id = outcomes.cell_id JOIN images ON images.id = outcomes.image_id"
        " WHERE cells.key = ? AND NOT (? AND status IN ('error', 'invalid'))",
        [cell_key, retry_errors],
    )
    return set(map(ImageKey._make, rows))


def done_measured(db: Database, cell_key: str, *, retry_errors: bool) -> set[ImageKey]:
    """The measured images of a measurement's cell; ``retry_errors`` as in `done_outcomes`."""
    rows = db.execute(
        f"SELECT {_KEY} FROM measured"
        " JOIN cells ON cells.id = measured.cell_id JOIN images ON images.id = measured.image_id"
        " WHERE cells.key = ? AND NOT (? AND status IN ('error', 'invalid'))",
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
    """Models some of whose images of a run had an attack's first gradient zero everywhere.

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
    which = "WHERE run_cells.run_id = :run AND status IN ('robust', 'broken') GROUP BY 1"
    rows = db.execute(
        f"SELECT components.name, flat.images, attacked.images FROM ({flat} {which}) AS flat"
        f" JOIN ({attacked} {which}) AS attacked ON attacked.model_id = flat.model_id"
        " JOIN components ON components.id = flat.model_id ORDER BY components.id",
        {"run": run, "name": ZERO_GRADIENT},
    )
    return list(rows)


def cell_rows(db: Database, run: int, cell_key: str) -> CellRows:
    """All that is stored of one of a run's cells, over the run's images, in plan order.

    The clean rows are those of the same model, data set and numeric policy. A clean cell has no
    outcomes and an empty goal.
    """
    cell, model, about, label, goal = db.execute(
        "SELECT cells.id, models.name, models.about, cells.label, coalesce(goal, '') FROM cells"
        " JOIN components AS models ON models.id = cells.model_id WHERE key = ?",
        [cell_key],
    ).fetchone()
    channels, height, width = json.loads(about)["shape"]
    return CellRows(
        model=model,
        attack=label,
        goal=goal,
        shape=(channels, height, width),
        clean=_clean_rows(db, run, cell),
        outcomes=_outcome_rows(db, run, cell),
    )


def _clean_rows(db: Database, run: int, cell: int) -> tuple[CleanRow, ...]:
    rows = db.execute(
        "SELECT images.name, images.label, clean.predicted FROM cells AS this"
        " JOIN cells AS own ON own.attack_id IS NULL AND own.model_id = this.model_id"
        " AND own.dataset_id = this.dataset_id AND own.policy = this.policy"
        " JOIN run_cells ON run_cells.cell_id = own.id AND run_cells.run_id = ?"
        " JOIN run_images ON run_images.run_id = run_cells.run_id"
        " AND run_images.position < run_cells.images"
        " JOIN images ON images.id = run_images.image_id"
        " JOIN clean ON clean.cell_id = own.id AND clean.image_id = images.id"
        " WHERE this.id = ? ORDER BY run_images.position",
        [run, cell],
    )
    return tuple(CleanRow(*row) for row in rows)


def _outcome_rows(db: Database, run: int, cell: int) -> tuple[OutcomeRow, ...]:
    rows = db.query(
        "SELECT images.name AS image_id, images.label AS label, target, status, confident, linf,"
        " l2, l1, l0, forwards, backwards, rounded_status AS rounded FROM run_cells"
        " JOIN run_images ON run_images.run_id = run_cells.run_id"
        " AND run_images.position < run_cells.images"
        " JOIN images ON images.id = run_images.image_id"
        " JOIN outcomes ON outcomes.cell_id = run_cells.cell_id AND outcomes.image_id = images.id"
        " WHERE run_cells.run_id = ? AND run_cells.cell_id = ? ORDER BY run_images.position",
        [run, cell],
    )
    return tuple(
        OutcomeRow(
            **row
            | {
                "status": Status(row["status"]),
                "confident": bool(row["confident"]),
                "rounded": Status(row["rounded"]) if row["rounded"] else None,
            }
        )
        for row in rows
    )
