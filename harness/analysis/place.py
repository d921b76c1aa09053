"""One model of a leaderboard: its stored rows become counts, rates and distortions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from harness.analysis.bootstrap import Spread
from harness.analysis.indicators import Indicator
from harness.analysis.placing import NOWHERE, Placing
from harness.analysis.results import Outcomes, Predictions
from harness.analysis.scores import Bound
from harness.api import Status
from harness.api.attacked import Attacked, judged_of
from harness.api.frontier import Point
from harness.api.results import AccuracyOf as AccuracyOf
from harness.api.statistics import wilson

RunStatus = Literal["complete", "incomplete", "not run"]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Top-1 over all images of the runs, before exclusions.

    Attributes:
        images: those with a prediction; ``missing`` have none, or it failed.
        published: the model's published accuracy in [0, 1], if known.
        shown: which of the two the leaderboard is over.
    """

    correct: int
    images: int
    missing: int
    published: float | None
    shown: AccuracyOf = "measured"

    @property
    def measured(self) -> float | None:
        return self.correct / self.images if self.images else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.correct, self.images)

    @property
    def top1(self) -> float | None:
        return self.measured if self.shown == "measured" else self.published

    def point(self, name: str, robustness: float) -> Point | None:
        """The model at its accuracy; None where that is not known."""
        if self.shown == "measured":
            return Point(name, self.correct, self.images, robustness) if self.images else None
        if self.published is None:
            return None
        return Point(name, 100 * self.published, 100, robustness)


def accuracy_of(predictions: Predictions, published: float | None, shown: AccuracyOf) -> Accuracy:
    """The accuracy over the images of a clean cell."""
    right = Counter(predictions.values())
    return Accuracy(
        correct=right[True],
        images=right[True] + right[False],
        missing=right[None],
        published=published,
        shown=shown,
    )


def attacked_of(
    outcomes: Outcomes,
    predictions: Predictions,
    norm: str,
    among: Collection[int] | None = None,
) -> Attacked:
    """The counts and distortions of a cell.

    Args:
        among: the only images that count; None: all.
    """
    counted = outcomes
    if among is not None:
        counted = {i: row for i, row in outcomes.items() if i in among}
    unknown = [
        image
        for image, row in counted.items()
        if (row is None or row.status.failed) and predictions.get(image) is not False
    ]
    return Attacked(
        norm=norm,
        counts=Counter("missing" if row is None else row.status for row in counted.values()),
        unknown=len(unknown),
        judged=judged_of(counted),
        robust={i: row.status is Status.ROBUST for i, row in counted.items() if row is not None},
    )


@dataclass(frozen=True, slots=True)
class Place:
    """One model in one column of a leaderboard.

    Attributes:
        status: of the cell's and the clean cell's images.
        images: those behind ``robustness``: broken or measured ones; ``of`` the cell's images.
        without: images of the cell that have no verdict or no number, or none yet.
        robustness: the mean distortion over successes, or the mean score; None without any.
        attack: the outcomes; None for a score.
        bound: of scores that are distances: what attacks found.
        rank: by frontier residual, 1 the most robust; equals share it.
        placing: with a reference per pixel its numbers are per pixel, and ``robustness`` is not.
        spread: of the residual over the bootstrap, where that was asked for.
    """

    status: RunStatus
    images: int = 0
    of: int = 0
    without: int = 0
    robustness: float | None = None
    attack: Attacked | None = None
    bound: Bound | None = None
    rank: int | None = None
    placing: Placing = NOWHERE
    spread: Spread | None = None

    @property
    def few_successes(self) -> bool:
        return self.attack is not None and self.attack.few_successes


def attack_place(attack: Attacked, accuracy: Accuracy, *, ran: bool) -> Place:
    """The place of a model before any frontier."""
    complete = not attack.without and not accuracy.missing and accuracy.images
    status: RunStatus = "complete" if complete else "incomplete"
    return Place(
        status=status if ran else "not run",
        images=len(attack.distortions),
        of=attack.images,
        without=attack.without,
        robustness=attack.mean,
        attack=attack,
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of a leaderboard, over all its columns.

    Attributes:
        training: its training regime, if known.
        pixels: height times width of its input, if known.
        classes: how many it tells apart, if known.
        accuracy: its ``top1`` is the one that the leaderboard is over.
        indicators: why its numbers may not be what they seem.
        complete: whether all of its places are.
        error: where a single attack is not complete, the line that the last failure left.
        rank: by what the leaderboard is sorted by; equals share it.
        mean_rank: of its ranks over the columns, ``ranked`` of them, in which it has a residual.
    """

    model: str
    family: str | None
    training: str | None
    parameters: int | None
    pixels: int | None
    classes: int | None
    accuracy: Accuracy
    indicators: tuple[Indicator, ...] = ()
    complete: bool = True
    error: str | None = None
    rank: int | None = None
    mean_rank: float | None = None
    ranked: int = 0

    @property
    def top1(self) -> float | None:
        return self.accuracy.top1
