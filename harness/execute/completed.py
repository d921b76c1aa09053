"""A model's leaderboard row as soon as its cells are computed."""

from __future__ import annotations

from dataclasses import replace
from sqlite3 import Connection

from harness.analysis.board import models_of
from harness.analysis.selection import select
from harness.analysis.stored import Rows
from harness.errors import ConfigError
from harness.execute.progress import ModelRow
from harness.store.read import cells as queries


def model_row(db: Connection, suite: str, model: str) -> ModelRow | None:
    """The row of ``model``; None where the suite has no leaderboard, or nothing on the model."""
    definition, stored = queries.definition(db, suite), queries.suite_cells(db, suite)
    try:
        selection = select(suite, definition, stored, attack=None, goal=None)
    except ConfigError:  # a suite without attacks
        return None
    alone = replace(selection, models=(model,))
    (entry,) = models_of(Rows(db), alone, accuracy="measured", images="all").entries
    if entry.status == "not run":
        return None
    attack = selection.attack
    minimises = attack.budget is None
    return ModelRow(
        model=model,
        top1=entry.top1,
        attack=attack.label,
        goal=selection.goal,
        success=entry.attack.success,
        norm=attack.norm if minimises else None,
        median=entry.attack.median_all if minimises else None,
        attacked=entry.attack.attacked,
        images=entry.attack.images,
        complete=entry.complete,
    )
