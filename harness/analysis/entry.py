"""One model of a board: its stored rows become counts, rates and distortions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.analysis.bootstrap import Spread
from harness.analysis.readings import ModelReading
from harness.analysis.statistics import bounds, mean, median_with_failures, wilson

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
    """

    correct: int
    images: int
    missing: int
    published: float | None

    @property
    def measured(self) -> float | None:
        return self.correct / self.images if self.images else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.correct, self.images)


@dataclass(frozen=True, slots=True)
class Attacked:
    """What became of a cell's images.

    Attributes:
        images: all of the cell; the counts below add up to it.
        invalid, errors: neither broken nor robust; ``missing`` have no outcome yet.
        unknown: those of the last three kinds that the model does not misclassify anyway.
        distortions: of the broken images, in the attack's norm.
    """

    images: int
    clean_wrong: int
    robust: int
    broken: int
    invalid: int
    errors: int
    missing: int
    unknown: int
    distortions: tuple[float, ...]

    @property
    def attacked(self) -> int:
        """The images with a verdict: the denominator of the success rate."""
        return self.broken + self.robust

    @property
    def success(self) -> float | None:
        return self.broken / self.attacked if self.attacked else None

    @property
    def success_bounds(self) -> tuple[float, float] | None:
        """What the success can be, whatever the images without a verdict would have become."""
        return bounds(self.broken, self.attacked, self.unknown)

    @property
    def mean(self) -> float | None:
        return mean(self.distortions)

    @property
    def median(self) -> float | None:
        return median_with_failures(self.distortions)

    @property
    def median_all(self) -> float | None:
        """The median with failures as infinite."""
        return median_with_failures(self.distortions, self.robust)


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of a board.

    Attributes:
        status: ``complete``, ``incomplete`` or ``not run``.
        error: where not complete, the line that the last failure left.
        top1: the accuracy that the board is over, measured or published.
        metrics: the suite's metrics over the board's images, where they were asked for.
        readings: what measurements of the suite say of the model.
        pixels: height times width of its input, if known.
        spread: what the bootstrap says of the distance, where it was asked for.
        doubts: why its numbers may not be what they seem, one line each.
    """

    model: str
    family: str | None
    parameters: int | None
    accuracy: Accuracy
    attack: Attacked
    status: RunStatus
    error: str | None
    top1: float | None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    readings: tuple[ModelReading, ...] = ()
    pixels: int | None = None
    rank: int | None = None
    on_frontier: bool = False
    fitted: float | None = None
    distance: float | None = None
    extrapolated: bool = False
    spread: Spread | None = None
    doubts: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return self.status == "complete"

    @property
    def few_successes(self) -> bool:
        success = self.attack.success
        return success is not None and success < ENOUGH_SUCCESS


def entry_of(
    model: str,
    about: Mapping[str, Any],
    *,
    predictions: Mapping[int, bool | None],
    outcomes: Mapping[int, tuple[str, float | None] | None],
    accuracy: AccuracyOf,
    images: frozenset[int] | None = None,
) -> Entry:
    """One model's numbers.

    Args:
        predictions: of each image of the clean cell, whether it is classified correctly; None where
            there is no prediction.
        outcomes: of each image of the attack's cell, status and distortion; None where missing.
        images: the only ones whose outcomes count; None for all. The accuracy is that of all images
            either way.
    """
    published = about.get("published") or {}
    percent = published.get("top1")
    right = Counter(predictions.values())
    clean = Accuracy(
        correct=right[True],
        images=right[True] + right[False],
        missing=right[None],
        published=None if percent is None else percent / 100,
    )
    ran = any(row is not None for row in outcomes.values())
    if images is not None:
        outcomes = {image: row for image, row in outcomes.items() if image in images}
    attacked = _attacked(predictions, outcomes)
    return Entry(
        model=model,
        family=about.get("family"),
        parameters=about.get("parameters"),
        accuracy=clean,
        attack=attacked,
        status=_status(clean, attacked) if ran else "not run",
        error=None,
        top1=clean.measured if accuracy == "measured" else clean.published,
        pixels=pixels_of(about),
    )


def pixels_of(about: Mapping[str, Any]) -> int | None:
    """Height times width of a model's input, of what is known about it."""
    shape = about.get("shape")
    return math.prod(shape[-2:]) if shape else None


def _attacked(
    predictions: Mapping[int, bool | None],
    outcomes: Mapping[int, tuple[str, float | None] | None],
) -> Attacked:
    statuses = Counter("missing" if row is None else row[0] for row in outcomes.values())
    unknown = [
        image
        for image, row in outcomes.items()
        if (row is None or row[0] in ("invalid", "error")) and predictions.get(image) is not False
    ]
    return Attacked(
        images=len(outcomes),
        clean_wrong=statuses["clean_wrong"],
        robust=statuses["robust"],
        broken=statuses["broken"],
        invalid=statuses["invalid"],
        errors=statuses["error"],
        missing=statuses["missing"],
        unknown=len(unknown),
        distortions=tuple(
            row[1] for row in outcomes.values() if row and row[0] == "broken" and row[1] is not None
        ),
    )


def _status(clean: Accuracy, attacked: Attacked) -> RunStatus:
    without = attacked.missing + attacked.errors + attacked.invalid + clean.missing
    return "incomplete" if without or not clean.images else "complete"
