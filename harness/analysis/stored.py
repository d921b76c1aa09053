"""The stored rows of a suite's cells, on the images that the suite's runs take; each read once."""

from __future__ import annotations

from collections.abc import Mapping
from sqlite3 import Connection

from harness.store.read import cells as queries
from harness.store.read.cells import Runs, StoredCell

Predictions = Mapping[int, bool | None]
"""Of each image, whether it is classified correctly; None where there is no prediction."""
Outcomes = Mapping[int, tuple[str, float | None] | None]
"""Of each image, status and distortion; None where it is missing."""


class Rows:
    """A reader that remembers: nearly always all models took the same images."""

    def __init__(self, db: Connection) -> None:
        self.db = db
        self._images: dict[Runs, frozenset[int]] = {}
        self._predictions: dict[int, Predictions] = {}

    def images(self, runs: Runs) -> frozenset[int]:
        """The images that a cell takes in its suite's runs."""
        if runs not in self._images:
            self._images[runs] = queries.images_of(self.db, runs)
        return self._images[runs]

    def predictions(self, clean: StoredCell | None) -> Predictions:
        """The clean cell's images; none without a cell."""
        if clean is None:
            return {}
        if clean.id not in self._predictions:
            stored = queries.clean_rows(self.db, clean.id)
            images = self.images(clean.runs)
            self._predictions[clean.id] = {image: stored.get(image) for image in images}
        return self._predictions[clean.id]

    def outcomes(self, cell: StoredCell | None, norm: str) -> Outcomes:
        """The attack cell's images; none without a cell."""
        if cell is None:
            return {}
        stored = queries.outcome_rows(self.db, cell.id, norm)
        return {image: stored.get(image) for image in self.images(cell.runs)}
