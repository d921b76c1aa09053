"""A model's leaderboard row as soon as its cells are computed."""

from __future__ import annotations

from dataclasses import replace
from sqlite3 import Connection

from harness.analysis.columns import DEFAULT, models_of
from harness.analysis.results import Results
from harness.api import ModelRow
from harness.errors import ConfigError


def model_row(db: Connection, suite: str, model: str) -> ModelRow | None:
    """The row of ``model``; None where the suite has no leaderboard, or nothing on the model."""
    try:
        trial = Results(db).suite(suite).trial()
    except ConfigError:  # a suite without attacks
        return None
    found = models_of(replace(trial, models=(model,)), DEFAULT)
    place, outcomes = found.places[model], found.places[model].attack
    if place.status == "not run" or outcomes is None:
        return None
    attack = trial.attack
    minimises = not attack.fixed
    return ModelRow(
        model=model,
        top1=found.entries[model].top1,
        attack=attack.label,
        goal=trial.goal,
        success=outcomes.success,
        norm=attack.norm if minimises else None,
        median=outcomes.median_all if minimises else None,
        attacked=outcomes.attacked,
        images=outcomes.images,
        complete=place.status == "complete",
        robust_accuracy=None if minimises else outcomes.robust_accuracy,
    )
