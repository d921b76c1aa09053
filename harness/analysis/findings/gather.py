"""A suite's stored rows become the evidence for the checks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from sqlite3 import Connection

from harness.analysis.findings.evidence import UNTARGETED, Evidence, Model, Score, Trial
from harness.analysis.selection import Selection, chosen_suite, select
from harness.analysis.transfer.matrix import Matrix, matrix_of
from harness.analysis.transfer.panels import stored_panels
from harness.store.read import cells as queries
from harness.store.read.confident import judged_rows


def gather(db: Connection, suite: str | None = None) -> Evidence:
    """The evidence of a suite, by default of the latest run's.

    Raises:
        ConfigError: there are no runs, or no such suite.
    """
    suite = chosen_suite(queries.suites(db), suite)
    trials = [_trial(db, selection) for selection in _selections(db, suite)]
    names = dict.fromkeys(
        [str(name) for name in queries.definition(db, suite)["models"]]
        + [name for trial in trials for name in trial.scores]
    )
    about = queries.model_facts(db)
    models = {name: _model(name, about.get(name, {})) for name in names}
    return Evidence(suite, models, tuple(trials), _matrices(db, suite))


def _selections(db: Connection, suite: str) -> list[Selection]:
    """The latest run's cells of each attack and goal that has any."""
    definition, cells = queries.definition(db, suite), queries.suite_cells(db, suite)
    stored = {(cell.label, cell.goal) for cell in cells if cell.attack is not None}
    labels = dict.fromkeys(
        [str(entry["label"]) for entry in definition["attacks"]]
        + sorted(label for label, _ in stored)
    )
    return [
        select(suite, definition, cells, attack=label, goal=goal)
        for label in labels
        for goal in sorted(goal for other, goal in stored if other == label and goal)
    ]


def _model(name: str, about: Mapping[str, object]) -> Model:
    family, parameters, layers = (about.get(key) for key in ("family", "parameters", "layers"))
    return Model(
        name,
        family if isinstance(family, str) else None,
        parameters if isinstance(parameters, int) else None,
        layers if isinstance(layers, int) else None,
    )


def _trial(db: Connection, selection: Selection) -> Trial:
    scores = {}
    images: dict[queries.Runs, frozenset[int]] = {}
    for model, cell in selection.cells.items():
        clean = selection.clean.get(model)
        for known in (cell, clean):
            if known and known.runs not in images:
                images[known.runs] = queries.images_of(db, known.runs)
        predicted = queries.clean_rows(db, clean.id) if clean else {}
        score = _score(
            {
                image: right
                for image in (images[clean.runs] if clean else ())
                if (right := predicted.get(image)) is not None
            },
            judged_rows(db, cell.id, selection.attack.norm),
            images[cell.runs],
        )
        if score.attacked or score.unknown:
            scores[model] = score
    absent = tuple(model for model in selection.models if model not in scores)
    return Trial(selection.attack, selection.goal, scores, absent)


def _score(
    right: Mapping[int, bool],
    rows: Mapping[int, tuple[str, float | None, bool]],
    images: frozenset[int],
) -> Score:
    distortions: dict[int, float] = {}
    confident = unknown = 0
    for image in sorted(images):
        status, size, sure = rows.get(image, ("missing", None, False))
        if status == "robust":
            distortions[image] = math.inf
        elif status == "broken" and size is not None:
            distortions[image] = size
            confident += sure
        elif status != "clean_wrong":
            unknown += right.get(image) is not False
    return Score(right, distortions, confident, unknown)


def _matrices(db: Connection, suite: str) -> tuple[Matrix, ...]:
    return tuple(
        matrix_of(db, panel, selection)
        for panel, selection in stored_panels(db, suite).items()
        if panel.goal == UNTARGETED
    )
