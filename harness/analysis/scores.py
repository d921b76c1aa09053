"""Measurements' scores: those that are distances, compared with what attacks found."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.analysis.declared import of_measurement, of_score
from harness.analysis.results import Trial
from harness.api import NORMS, LeaderboardColumn, Status
from harness.api.statistics import spearman
from harness.store.read import rows
from harness.store.read.cells import StoredCell

FEWEST_FOR_CORRELATION = 3


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
        title: the measurement and the score; with parameters where a model has several alike.
        norm: where the score is a distance (its name begins with the norm), else None.
        shown: its column, as the measurement declares it.
        images: those of the cell; ``without`` of them are not measured yet, failed or invalid.
        values: of the measured images.
        smallest: the smallest known distortions in ``norm``.
    """

    cell: StoredCell
    measurement: str
    label: str
    title: str
    score: str
    norm: str | None
    images: int
    without: int
    values: Mapping[int, float]
    smallest: Mapping[int, float]
    shown: LeaderboardColumn

    @property
    def heading(self) -> str:
        """Of its column."""
        return self.shown.title or self.title

    @property
    def mean(self) -> float | None:
        return fmean(self.values.values()) if self.values else None

    @property
    def bound(self) -> Bound | None:
        return None if self.norm is None else bound(self.values, self.smallest)


def scored(trial: Trial, norms: Collection[str] = NORMS) -> dict[str, tuple[Scored, ...]]:
    """The scores of each model: distances in ``norms`` for the trial's goal, and the rest."""
    return {model: tuple(_scored(trial, trial.measured(model), norms)) for model in trial.models}


def _scored(trial: Trial, cells: Sequence[StoredCell], norms: Collection[str]) -> Iterator[Scored]:
    results = trial.results
    labels: dict[str, set[str]] = {}
    for cell in cells:
        if cell.task:
            labels.setdefault(cell.task.name, set()).add(cell.task.label)
    declared = {name: of_measurement(name) for name in labels}
    for cell in cells:
        assert cell.task is not None
        alone = len(labels[cell.task.name]) == 1
        images = results.images(cell.runs)
        statuses = rows.statuses(results.db, cell.id)
        ended = [statuses.get(image) in (Status.MEASURED, Status.CLEAN_WRONG) for image in images]
        for score in results.scores.get(cell.id, ()):
            prefix = score.partition(".")[0]
            norm = prefix if prefix in NORMS else None
            if norm is not None and (norm not in norms or cell.goal != trial.goal):
                continue
            every = rows.values(results.db, cell.id, score)
            yield Scored(
                cell=cell,
                measurement=cell.task.name,
                label=cell.task.label,
                title=f"{cell.task.name if alone else cell.task.label} {score}",
                score=score,
                norm=norm,
                images=len(images),
                without=ended.count(False),
                values={image: every[image] for image in every.keys() & images},
                smallest=rows.smallest_distortions(results.db, cell.id, norm) if norm else {},
                shown=of_score(declared[cell.task.name], score),
            )


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
    first, second = ([side[model] for model in both] for side in (scores, distortions))
    enough = len(both) >= FEWEST_FOR_CORRELATION
    return Correlation(score, attack, len(both), spearman(first, second) if enough else None)
