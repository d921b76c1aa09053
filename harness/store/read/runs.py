"""What people ask about runs: which there are, and how far they are. JSON-like dicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.api.records import FAILED
from harness.errors import ConfigError
from harness.store.database import path_of
from harness.store.lock import is_held
from harness.store.read.parts import together

if TYPE_CHECKING:
    from sqlite_utils import Database

Row = dict[str, Any]

_RUNS = """
SELECT runs.id AS run, suite, runs.status AS status, exit_code, started, finished, seed,
  (SELECT count(*) FROM run_cells WHERE run_id = runs.id) AS cells,
  (SELECT count(*) FROM run_images WHERE run_id = runs.id) AS images,
  part || '/' || parts AS part
FROM runs
"""

CELLS = """
SELECT cells.id AS id, cells.key AS key, models.name AS model, cells.label AS attack,
  cells.goal AS goal, cells.seed AS seed, datasets.name AS dataset, cells.norm AS norm,
  cells.budget AS budget, cells.policy AS policy, attacks.identity AS attack_identity,
  coalesce(attacks.kind, 'clean') AS kind
FROM cells
JOIN components AS models ON models.id = cells.model_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
LEFT JOIN components AS attacks ON attacks.id = cells.attack_id
"""

CLEAN_STATUS = """
CASE WHEN clean.predicted IS NULL THEN 'error'
     WHEN clean.predicted = images.label THEN 'correct' ELSE 'wrong' END
"""


def runs(db: Database) -> list[Row]:
    """All runs, the latest first. One that nobody is at any more is ``interrupted``."""
    rows = list(db.query(f"{_RUNS} ORDER BY runs.id DESC"))
    if any(row["status"] == "running" for row in rows) and not is_held(path_of(db)):
        for row in rows:
            row["status"] = row["status"].replace("running", "interrupted")
    return rows


def find_run(db: Database, number: int | None) -> Row:
    """The run of this number, or the latest one.

    Raises:
        ConfigError: there is none.
    """
    found = [row for row in runs(db) if number in (None, row["run"])]
    if found:
        return found[0]
    if number is None:
        raise ConfigError("the database holds no run", hint="`harness run` starts one")
    raise ConfigError(f"there is no run {number}", hint="see `harness runs list`")


def run_detail(db: Database, number: int) -> Row:
    """A run with its command, suite, environment, broken plugins and cells."""
    run = find_run(db, number)
    command, definition, facts = db.execute(
        "SELECT command, definition, facts FROM runs"
        " JOIN environments ON environments.id = environment_id WHERE runs.id = ?",
        [number],
    ).fetchone()
    errors = db.query(
        "SELECT plugin, distribution, version, stage, cause FROM plugin_errors WHERE run_id = ?",
        [number],
    )
    return {
        **run,
        "cells": run_cells(db, number),
        "command": json.loads(command),
        "definition": json.loads(definition),
        "environment": json.loads(facts),
        "plugin_errors": list(errors),
    }


def run_cells(db: Database, run: int) -> list[Row]:
    """How far each cell of a run is: images, stored ones, statuses, attempts, last error.

    A part of a run is shown with all parts that are stored, as the whole that they are of.
    """
    parts = together(db.conn, run)
    members = json.dumps(parts)
    cells = db.query(
        f"SELECT listed.*, run_cells.images AS images FROM run_cells JOIN ({CELLS}) AS listed"
        " ON listed.id = run_cells.cell_id WHERE run_id = ? ORDER BY listed.id",
        [run],
    )
    statuses: dict[int, dict[str, int]] = {}
    for cell, status, count in db.execute(_run_statuses(len(parts)), [members] * 3):
        statuses.setdefault(cell, {})[status] = count
    attempts: dict[int, list[str | None]] = {}
    for cell, error in db.execute(
        "SELECT cell_id, error FROM attempts WHERE run_id IN"
        " (SELECT value FROM json_each(?)) ORDER BY id",
        [members],
    ):
        attempts.setdefault(cell, []).append(error)
    rows = []
    for cell in cells:
        counts = statuses.get(cell["id"], {})
        own = attempts.get(cell["id"], [])
        errors = [error for error in own if error]
        rows.append(
            {
                **{name: cell[name] for name in ("key", "model", "attack", "goal", "images")},
                "done": sum(counts.values()),
                "statuses": counts,
                "attempts": len(own),
                "error": errors[-1] if errors else _image_error(db, cell["id"], counts),
            }
        )
    return rows


def _run_statuses(runs: int) -> str:
    """Counts by cell and status over the images of some runs, whatever their cells do."""
    count = "count(*)" if runs == 1 else "count(DISTINCT images.id)"  # which takes a sort
    place = (
        " FROM run_cells JOIN run_images ON run_images.run_id = run_cells.run_id"
        " AND run_images.position < run_cells.images"
        " JOIN images ON images.id = run_images.image_id"
        " JOIN {0} ON {0}.cell_id = run_cells.cell_id AND {0}.image_id = images.id"
        " WHERE run_cells.run_id IN (SELECT value FROM json_each(?)) GROUP BY 1, 2"
    )
    return (
        f"SELECT run_cells.cell_id, outcomes.status, {count}"
        + place.format("outcomes")
        + f" UNION ALL SELECT run_cells.cell_id, measured.status, {count}"
        + place.format("measured")
        + f" UNION ALL SELECT run_cells.cell_id, {CLEAN_STATUS}, {count}"
        + place.format("clean")
    )


def _image_error(db: Database, cell: int, counts: dict[str, int]) -> str | None:
    """What an image of the cell failed of, if one did."""
    if not counts.keys() & set(FAILED):
        return None
    row = db.execute(
        "SELECT error FROM (SELECT cell_id, error FROM outcomes UNION ALL"
        " SELECT cell_id, error FROM measured UNION ALL SELECT cell_id, error FROM clean)"
        " WHERE cell_id = ? AND error IS NOT NULL LIMIT 1",
        [cell],
    ).fetchone()
    return row[0] if row else None


def devices(db: Database, suite: str) -> list[str]:
    """What the cells of a suite's runs ran on."""
    rows = db.execute(
        "SELECT DISTINCT device FROM attempts JOIN runs ON runs.id = run_id WHERE suite = ?"
        " ORDER BY 1",
        [suite],
    )
    return [device for (device,) in rows]
