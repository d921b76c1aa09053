"""A model's measurements on a board; scores that are distances beside attacks' distortions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection
from statistics import correlation, fmean

from harness.analysis.selection import Selection
from harness.analysis.stored import Rows
from harness.store.read import measurements as stored
from harness.store.read.cells import NORMS


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


@dataclass(frozen=True, slots=True)
class Scored:
    """One score of a measurement's cell, image by image.

    Attributes:
        norm: where the score is a distance (its name begins with the norm), else None.
        images: those of the cell; ``without`` of them are not measured yet, failed or invalid.
        values: of the measured images.
        smallest: the smallest known distortions in ``norm``.
    """

    cell: stored.MeasuredCell
    title: str
    score: str
    norm: str | None
    images: int
    without: int
    values: Mapping[int, float]
    smallest: Mapping[int, float]

    @property
    def bound(self) -> Bound | None:
        return None if self.norm is None else bound(self.values, self.smallest)


def scored(
    rows: Rows, selection: Selection, *, norms: Collection[str]
) -> dict[str, tuple[Scored, ...]]:
    """The scores of each model: distances in ``norms`` for the board's goal, and the rest."""
    cells = stored.measured_cells(rows.db, selection.suite)
    found: dict[str, tuple[Scored, ...]] = {}
    for model in selection.models:
        twin = selection.cells.get(model) or selection.clean.get(model)
        own = [
            cell
            for cell in cells
            if twin is not None
            and (cell.model_id, cell.dataset_id, cell.policy, cell.seed)
            == (twin.model_id, twin.dataset_id, twin.policy, selection.seed)
        ]
        found[model] = tuple(_scored(rows, selection.goal, own, norms))
    return found


def _scored(
    rows: Rows, goal: str, cells: Sequence[stored.MeasuredCell], norms: Collection[str]
) -> Iterator[Scored]:
    for cell in cells:
        twins = {other.label for other in cells if other.measurement == cell.measurement}
        name = cell.measurement if len(twins) == 1 else cell.label
        images = rows.images(cell.runs)
        statuses = stored.statuses(rows.db, cell.id)
        ended = [statuses.get(image) in ("measured", "clean_wrong") for image in images]
        for score in cell.scores:
            prefix = score.partition(".")[0]
            norm = prefix if prefix in NORMS else None
            if norm is not None and (norm not in norms or cell.goal != goal):
                continue
            every = stored.values(rows.db, cell.id, score)
            yield Scored(
                cell=cell,
                title=f"{name} {score}",
                score=score,
                norm=norm,
                images=len(images),
                without=ended.count(False),
                values={image: every[image] for image in every.keys() & images},
                smallest=stored.smallest_distortions(rows.db, cell.id, norm) if norm else {},
            )


def model_readings(db: Connection, selection: Selection) -> dict[str, tuple[ModelReading, ...]]:
    """The readings of each model: distances in the board's norm and for its goal, and the rest."""
    found = scored(Rows(db), selection, norms={selection.attack.norm})
    return {
        model: tuple(
            ModelReading(each.title, fmean(each.values.values()), len(each.values), each.bound)
            for each in scores
            if each.values
        )
        for model, scores in found.items()
    }


FEWEST_FOR_CORRELATION = 3


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rank correlation of a score with an attack's mean distortion over models.

    Attributes:
        value: None under three models, or where one of the two is constant.
    """

    score: str
    attack: str
    models: int
    value: float | None


def rank_correlation(
    score: str, attack: str, scores: Mapping[str, float], distortions: Mapping[str, float]
) -> Correlation:
    """The correlation over the models that have both; equals share their mean rank."""
    both = sorted(scores.keys() & distortions.keys())
    first, second = (_mean_ranks([side[model] for model in both]) for side in (scores, distortions))
    value = None
    if len(both) >= FEWEST_FOR_CORRELATION and len(set(first)) > 1 and len(set(second)) > 1:
        value = correlation(first, second)
    return Correlation(score, attack, len(both), value)


def _mean_ranks(values: Sequence[float]) -> list[float]:
    # `statistics.correlation` itself ranks only from Python 3.12 on.
    below = [sum(other < mine for other in values) for mine in values]
    return [less + (values.count(mine) + 1) / 2 for less, mine in zip(below, values, strict=True)]
