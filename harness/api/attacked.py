"""What an attack did on one model's images, counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from harness.api.records import FAILED, Status
from harness.api.statistics import Range, bounds, mean, median_with_failures, wilson

ENOUGH_SUCCESS = 0.95
"""Below this success rate a mean over successes is flagged."""


class OutcomeRow(NamedTuple):
    """What statistics need of an `Outcome`; a plain tuple, because they read very many of them.

    Attributes:
        confident: whether it is broken with the margin kappa that the attack aims for.
        target: the class to reach; None for an untargeted attack.
        rounded_status: the verdict after rounding to 8 bits; None where there is none.
    """

    status: Status
    confident: bool
    linf: float | None
    l2: float | None
    l1: float | None
    l0: float | None
    target: int | None
    forwards: int
    backwards: int
    rounded_status: str | None

    def distortion(self, norm: str) -> float | None:
        """Of a broken image, in ``norm``; else None, and where ``norm`` is empty: of several."""
        if self.status is not Status.BROKEN or not norm:
            return None
        size: float | None = getattr(self, norm)
        return size


_JUDGED = {status for status in Status if status.judged}


def judged_of(
    outcomes: Mapping[int, OutcomeRow | None], among: Collection[int] | None = None
) -> dict[int, OutcomeRow]:
    """The outcomes with a verdict, broken or robust.

    Args:
        among: the only images that count; None: all.
    """
    return {
        image: row
        for image, row in outcomes.items()
        if row is not None and row.status in _JUDGED and (among is None or image in among)
    }


@dataclass(frozen=True)  # without slots: what is computed of all images is kept
class Attacked:
    """The outcomes of one model's images under an attack and goal.

    Attributes:
        norm: that of `mean` and the medians; the attack's own, unless another was asked for.
        counts: the images by status, ``missing`` for those without an outcome.
        unknown: the images without a verdict that the model does not misclassify anyway.
        judged: the outcomes of the images with a verdict, broken or robust.
        robust: of each image with an outcome, whether it is classified correctly and not broken.
    """

    norm: str
    counts: Mapping[str, int]
    unknown: int
    judged: Mapping[int, OutcomeRow]
    robust: Mapping[int, bool] = field(default_factory=dict)

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
    def outcomes(self) -> int:
        """The images with an outcome, misclassified or not: those of the robust accuracy."""
        return self.images - self.count("missing")

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
        return self.count(Status.ROBUST) / self.outcomes if self.outcomes else None

    @property
    def robust_accuracy_interval(self) -> Range | None:
        """Its 95% Wilson interval."""
        return wilson(self.count(Status.ROBUST), self.outcomes)

    @property
    def robust_accuracy_bounds(self) -> Range | None:
        """What it can be, of all images, whatever becomes of those without a verdict."""
        return bounds(self.count(Status.ROBUST), self.images - self.unknown, self.unknown)

    @property
    def few_successes(self) -> bool:
        return self.success is not None and self.success < ENOUGH_SUCCESS

    @property
    def confident(self) -> int:
        """The images broken with the margin that the attack aims for."""
        return sum(row.status is Status.BROKEN and row.confident for row in self.judged.values())

    @cached_property
    def by_image(self) -> Mapping[int, float]:
        """The distortions of the broken images."""
        sizes = {image: row.distortion(self.norm) for image, row in self.judged.items()}
        return MappingProxyType({i: size for i, size in sizes.items() if size is not None})

    @property
    def distortions(self) -> list[float]:
        """Those of the broken images, in no particular order."""
        return list(self.by_image.values())

    @cached_property
    def mean(self) -> float | None:
        return mean(self.distortions)

    @cached_property
    def median(self) -> float | None:
        return median_with_failures(self.distortions)

    @cached_property
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
