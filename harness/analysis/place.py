"""One model of a leaderboard: its stored rows become counts, rates and distortions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from harness.analysis.bootstrap import Spread
from harness.analysis.frontier import NOWHERE, Placing, Point
from harness.analysis.results import Outcomes, Predictions
from harness.analysis.scores import Bound
from harness.analysis.statistics import bounds, mean, median_with_failures, wilson
from harness.api import Status
from harness.api.records import FAILED
from harness.store.read.rows import OutcomeRow

AccuracyOf = Literal["measured", "published"]
RunStatus = Literal["complete", "incomplete", "not run"]

ENOUGH_SUCCESS = 0.95
"""Below this success rate a mean over successes is flagged."""


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


@dataclass(frozen=True, slots=True)
class Attacked:
    """The outcomes of one model's images under an attack and goal.

    Attributes:
        norm: that of `mean` and the medians; the attack's own, unless another was asked for.
        counts: the images by status, ``missing`` for those without an outcome.
        unknown: the images without a verdict that the model does not misclassify anyway.
        judged: the outcomes of the images with a verdict, broken or robust.
    """

    norm: str
    counts: Mapping[str, int]
    unknown: int
    judged: Mapping[int, OutcomeRow]

    def count(self, *statuses: str) -> int:
        return sum(self.counts.get(status, 0) for status in statuses)

    @property
    def images(self) -> int:
        return sum(self.counts.values())

    @property
    def broken(self) -> int:
        return self.count(Status.BROKEN)

    @property
    def attacked(self) -> int:
        """The images with a verdict: the denominator of the success rate."""
        return len(self.judged)

    @property
    def without(self) -> int:
        """The images without a verdict: failed or missing."""
        return self.count(*FAILED, "missing")

    @property
    def success(self) -> float | None:
        return self.broken / self.attacked if self.attacked else None

    @property
    def success_bounds(self) -> tuple[float, float] | None:
        """What the success can be, whatever the verdict on the images without one."""
        return bounds(self.broken, self.attacked, self.unknown)

    @property
    def robust_accuracy(self) -> float | None:
        """The share of all images with an outcome that stay right; a failure is not robustness."""
        outcomes = self.images - self.count("missing")
        return self.count("robust") / outcomes if outcomes else None

    @property
    def few_successes(self) -> bool:
        return self.success is not None and self.success < ENOUGH_SUCCESS

    @property
    def confident(self) -> int:
        """The images broken with the margin that the attack aims for."""
        return sum(row.status is Status.BROKEN and row.confident for row in self.judged.values())

    @property
    def by_image(self) -> dict[int, float]:
        """The distortions of the broken images."""
        sizes = {image: row.distortion(self.norm) for image, row in self.judged.items()}
        return {image: size for image, size in sizes.items() if size is not None}

    @property
    def distortions(self) -> list[float]:
        """Those of the broken images, in no particular order."""
        return list(self.by_image.values())

    @property
    def mean(self) -> float | None:
        return mean(self.distortions)

    @property
    def median(self) -> float | None:
        return median_with_failures(self.distortions)

    @property
    def median_all(self) -> float | None:
        """The median with failures as infinite."""
        return median_with_failures(self.distortions, self.count(Status.ROBUST))

    @property
    def forwards(self) -> float | None:
        """Forward passes per attacked image, on average."""
        return mean([row.forwards for row in self.judged.values()])

    @property
    def backwards(self) -> float | None:
        """Backward passes per attacked image, on average."""
        return mean([row.backwards for row in self.judged.values()])

    def in_norm(self, norm: str) -> Attacked:
        """The same with distortions in another norm."""
        return replace(self, norm=norm)


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
    counted = {i: row for i, row in outcomes.items() if among is None or i in among}
    unknown = [
        image
        for image, row in counted.items()
        if (row is None or row.status.failed) and predictions.get(image) is not False
    ]
    return Attacked(
        norm=norm,
        counts=Counter("missing" if row is None else row.status for row in counted.values()),
        unknown=len(unknown),
        judged={image: row for image, row in counted.items() if row and row.status.judged},
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
        pixels: height times width of its input, if known.
        accuracy: its ``top1`` is the one that the leaderboard is over.
        doubts: why its numbers may not be what they seem, one line each.
        complete: whether all of its places are.
        error: where a single attack is not complete, the line that the last failure left.
        rank: by what the leaderboard is sorted by; equals share it.
        mean_rank: of its ranks over the columns, ``ranked`` of them, in which it has a residual.
    """

    model: str
    family: str | None
    parameters: int | None
    pixels: int | None
    accuracy: Accuracy
    doubts: tuple[str, ...] = ()
    complete: bool = True
    error: str | None = None
    rank: int | None = None
    mean_rank: float | None = None
    ranked: int = 0

    @property
    def top1(self) -> float | None:
        return self.accuracy.top1
