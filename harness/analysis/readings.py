"""A model's measurements on a board; scores that are distances beside attacks' distortions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from statistics import fmean

from harness.analysis.selection import Selection
from harness.store import board as queries
from harness.store import readings as stored
from harness.store.board import NORMS


@dataclass(frozen=True, slots=True)
class Bound:
    """Scores that should lie below what attacks found, and the attacks' side.

    Attributes:
        images: those that have both; the means are over them.
        score, smallest: means of the scores and of the smallest known distortions.
        exceeding: images whose score exceeds its smallest known distortion.
    """

    images: int
    score: float | None
    smallest: float | None
    exceeding: int


@dataclass(frozen=True, slots=True)
class ModelReading:
    """One score of a measurement over a model's measured images.

    Attributes:
        title: the measurement and the score; with parameters where the board has several alike.
        bound: where the score is a distance (its name begins with the norm), else None.
    """

    title: str
    mean: float
    images: int
    bound: Bound | None


def bound(scores: Mapping[int, float], smallest: Mapping[int, float]) -> Bound:
    """``scores`` by image against the ``smallest`` known distortions."""
    both = sorted(scores.keys() & smallest.keys())
    return Bound(
        images=len(both),
        score=fmean(scores[image] for image in both) if both else None,
        smallest=fmean(smallest[image] for image in both) if both else None,
        exceeding=sum(scores[image] > smallest[image] for image in both),
    )


def model_readings(db: Connection, selection: Selection) -> dict[str, tuple[ModelReading, ...]]:
    """The readings of each model: distances in the board's norm and for its goal, and the rest."""
    cells = stored.measured_cells(db, selection.suite)
    found: dict[str, tuple[ModelReading, ...]] = {}
    for model in selection.models:
        twin = selection.cells.get(model) or selection.clean.get(model)
        own = [
            cell
            for cell in cells
            if twin is not None
            and (cell.model_id, cell.dataset_id, cell.policy, cell.seed)
            == (twin.model_id, twin.dataset_id, twin.policy, selection.seed)
        ]
        found[model] = tuple(_readings(db, selection, own))
    return found


def _readings(
    db: Connection, selection: Selection, cells: Sequence[stored.MeasuredCell]
) -> list[ModelReading]:
    readings = []
    for cell in cells:
        twins = {other.label for other in cells if other.measurement == cell.measurement}
        name = cell.measurement if len(twins) == 1 else cell.label
        images = queries.images_of(db, cell.runs)
        for score in cell.scores:
            norm = score.partition(".")[0]
            distance = norm in NORMS
            if distance and (norm, cell.goal) != (selection.attack.norm, selection.goal):
                continue
            every = stored.values(db, cell.id, score)
            values = {image: every[image] for image in every.keys() & images}
            if not values:
                continue
            smallest = stored.smallest_distortions(db, cell.id, norm) if distance else {}
            readings.append(
                ModelReading(
                    title=f"{name} {score}",
                    mean=fmean(values.values()),
                    images=len(values),
                    bound=bound(values, smallest) if distance else None,
                )
            )
    return readings
