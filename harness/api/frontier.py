"""The accuracy-robustness frontier: Pareto-optimal models and a logarithmic fit through them.

Su et al. 2018, section 4.2: distortion = a + b*ln(1 - accuracy), fitted on the models that no other
model beats in both. The law is one of distortions: a robust accuracy is a share in [0, 1] and at
most the accuracy, so its frontier is the Pareto-optimal models themselves, as `steps`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import correlation, linear_regression

FEWEST_FOR_FIT = 3
FEWEST_FOR_R2 = 5


@dataclass(frozen=True, slots=True)
class Point:
    """A model in the plane of accuracy and robustness.

    Attributes:
        correct, images: top-1 accuracy as a ratio, ``images`` > 0; percentages go over 100.
        robustness: mean distortion or score, finite.
        excluded: why it is no member of a frontier, whatever it beats; None: it may be one.
    """

    name: str
    correct: float
    images: float
    robustness: float
    excluded: str | None = None

    @property
    def accuracy(self) -> float:
        """Top-1 accuracy in [0, 1]."""
        return self.correct / self.images

    @property
    def error(self) -> float:
        """1 - accuracy, in (0, 1]: zero errors count as half an error, so that its log exists."""
        return ((self.images - self.correct) or 0.5) / self.images


@dataclass(frozen=True, slots=True)
class Fit:
    """robustness = a + b*ln(error), by least squares; ``r2`` only for five models or more."""

    a: float
    b: float
    r2: float | None

    def at(self, error: float) -> float:
        return self.a + self.b * math.log(error)


@dataclass(frozen=True, slots=True)
class Frontier:
    """The Pareto-optimal models, by rising accuracy, and the fit through them.

    Attributes:
        fit: None where there is none, for this ``reason``.
        steps: whether robustness is compared with the members themselves instead of a law.
    """

    members: tuple[Point, ...]
    fit: Fit | None
    reason: str | None
    steps: bool = False

    def fitted(self, point: Point) -> float | None:
        """The fit's value at the point's accuracy.

        Of steps the largest robustness of a member that is at least as accurate; None: of none.
        """
        if self.steps:  # the more accurate a member, the less robust
            above = (each.robustness for each in self.members if each.accuracy >= point.accuracy)
            return next(above, None)
        return None if self.fit is None else self.fit.at(point.error)

    def distance(self, point: Point) -> float | None:
        """Robustness minus the fit's value: positive is more robust than the trend.

        From steps it is 0 where no member at least as accurate is more robust, else negative.
        """
        fitted = self.fitted(point)
        return None if fitted is None else point.robustness - fitted

    def extrapolated(self, point: Point) -> bool:
        """Whether the point is outside the frontier's accuracies, or where the fit is 0 or less."""
        fitted = self.fitted(point)
        if fitted is None or self.steps:
            return False
        low, high = self.members[0].accuracy, self.members[-1].accuracy
        return fitted <= 0 or not low <= point.accuracy <= high


def pareto(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points that no other beats: at least as accurate and as robust, and better in one.

    Equal points do not beat each other. By rising accuracy.
    """
    optimal: list[Point] = []
    best = top = -math.inf  # of the points that are more accurate, and with the equally accurate
    last = most = math.nan
    for point in sorted(points, key=lambda each: (-each.accuracy, -each.robustness)):
        if point.accuracy != last:
            last, best = point.accuracy, top
            top = max(top, point.robustness)  # the first is the most robust of its accuracy
            most = point.robustness
        if point.robustness > best and point.robustness == most:
            optimal.append(point)
    return tuple(sorted(optimal, key=lambda point: (point.accuracy, point.name)))


NO_LAW = "robust accuracy is a share, and has no law: residuals are from the frontier's own steps"


def step_frontier(points: Sequence[Point]) -> Frontier:
    """The frontier of robust accuracies: the models that no other beats in both."""
    members = pareto([point for point in points if point.excluded is None])
    return Frontier(members, None, NO_LAW, steps=True)


def frontier(points: Sequence[Point]) -> Frontier:
    """The frontier of ``points``."""
    members = pareto([point for point in points if point.excluded is None])
    count = len(members)
    if count < FEWEST_FOR_FIT:
        models = "model" if count == 1 else "models"
        return Frontier(
            members, None, f"{count} {models} on the frontier, a fit needs {FEWEST_FOR_FIT}"
        )
    # Half an error in 100 images and one in 200 are different accuracies of the same error.
    if 1 in (len({point.accuracy for point in members}), len({point.error for point in members})):
        return Frontier(members, None, "all models on the frontier have the same accuracy")
    return Frontier(members, _fit(members), None)


def _fit(members: Sequence[Point]) -> Fit:
    logs = [math.log(point.error) for point in members]
    robustness = [point.robustness for point in members]
    b, a = linear_regression(logs, robustness)
    # Of a least-squares line with an intercept, R2 is the squared correlation.
    r2 = correlation(logs, robustness) ** 2 if len(members) >= FEWEST_FOR_R2 else None
    return Fit(a, b, r2)
