"""The rows of a database, each read once and kept; `results` makes suites and attacks of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property, partial
from sqlite3 import Connection
from typing import Any

from harness.api.attacked import OutcomeRow, judged_of
from harness.api.facts import ModelFacts
from harness.api.results import PointsOf
from harness.api.trial import ModelTrial
from harness.store.read import cells, parts, queries, rows
from harness.store.read.cells import Runs, StoredCell

Predictions = Mapping[int, bool | None]
"""Whether each image is classified correctly; None where there is no prediction."""
Outcomes = Mapping[int, OutcomeRow | None]
"""The outcome of each image; None where it is missing."""


class Rows:
    """The rows of a database's cells and what it knows of models, read when first asked for.

    Args:
        points: whose distances and verdicts `outcomes` are.

    Attributes:
        images: those that a cell takes in some runs.
        correct, margins, outcomes: the rows of a clean cell and of an attack's cell.
        best_outcomes: the rows of an attack's cell with the best points, whatever ``points``.
        keeps, traces: whether best queries are stored of an attack's cell, and their traces.
        taken: the outcomes of the images that an attack's cell takes in some runs; ``judged``:
            those with a verdict.
        lacking: the parts of a suite's runs that are not here.
    """

    def __init__(self, db: Connection, points: PointsOf = "returned") -> None:
        self.db = db
        self.points = points
        self.images = cache(partial(rows.images_of, db))
        self.correct = cache(partial(rows.correct, db))
        self.margins = cache(partial(rows.margins, db))
        self.best_outcomes = cache(partial(queries.best_outcomes, db))
        self.outcomes = self.best_outcomes
        if points == "returned":
            self.outcomes = cache(partial(rows.outcomes, db))
        self.keeps = cache(partial(queries.are_kept, db))
        self.traces = cache(partial(queries.traces, db))
        self.lacking = cache(partial(parts.lacking, db))
        self.taken = cache(self._taken)
        self.judged = cache(self._judged)

    @cached_property
    def _facts(self) -> Mapping[str, Mapping[str, Any]]:
        return cells.model_facts(self.db)

    def model(self, name: str) -> ModelFacts:
        """What is known about the latest stored version of a model."""
        return ModelFacts.of(name, self._facts.get(name, {}))

    def version(self, cell: StoredCell) -> ModelFacts:
        """What is known about the version of a model that a cell is of."""
        return ModelFacts.of(cell.model, self._versions[cell.model_id].about)

    def classes(self, model_id: int) -> int | None:
        """How many classes a version of a model tells apart, if that is known."""
        return self._versions[model_id].classes

    def architecture(self, cell: StoredCell) -> str | None:
        """Of the version of a model that a cell is of, in its loader's words, if that is known."""
        return self._versions[cell.model_id].architecture

    @cached_property
    def _versions(self) -> Mapping[int, cells.StoredModel]:
        return cells.models(self.db)

    @cached_property
    def trials(self) -> Mapping[int, ModelTrial]:
        """By clean cell what the trial of its model found."""
        return rows.trials(self.db)

    def _taken(self, cell: int, runs: Runs) -> Outcomes:
        stored = self.outcomes(cell)
        return {image: stored.get(image) for image in self.images(runs)}

    def _judged(self, cell: int, runs: Runs) -> Mapping[int, OutcomeRow]:
        return judged_of(self.taken(cell, runs))

    @cached_property
    def scores(self) -> Mapping[int, tuple[str, ...]]:
        """The names of the scores of each measurement's cell."""
        return cells.score_names(self.db)
