"""The accuracy-robustness frontier: Pareto-optimal models and a logarithmic fit through them.

Su et al. 2018, section 4.2: distortion = a + b*ln(1 - accuracy), fitted on the models that no other
model beats in both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import correlation, linear_regression
from typing import Protocol

FEWEST_FOR_FIT = 3
FEWEST_FOR_R2 = 5


@dataclass(frozen=True, slots=True)
class Point:
    """A model in the plane of accuracy and robustness.

    Attributes:
        correct, images: top-1 accuracy as a ratio, ``images`` > 0; percentages go over 100.
        robustness: mean distortion or score, finite.
    """

    name: str
    correct: float
    images: float
    robustness: float

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


class Curve(Protocol):
    """What a model's robustness is compared with at its accuracy."""

    def fitted(self, point: Point) -> float | None:
        """The curve's value at the point's accuracy; None where there is no fit."""

    def extrapolated(self, point: Point) -> bool:
        """Whether the curve is extrapolated there."""


@dataclass(frozen=True, slots=True)
class Placing:
    """Where a model lies: ``distance`` is its robustness minus the curve's value."""

    on_frontier: bool
    fitted: float | None
    distance: float | None
    extrapolated: bool


NOWHERE = Placing(on_frontier=False, fitted=None, distance=None, extrapolated=False)
"""Of a model without an accuracy or a robustness."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """The Pareto-optimal models, by rising accuracy, and the fit through them.

    Attributes:
        fit: None where there is none, for this ``reason``.
    """

    members: tuple[Point, ...]
    fit: Fit | None
    reason: str | None

    def fitted(self, point: Point) -> float | None:
        """The fit's value at the point's accuracy."""
        return None if self.fit is None else self.fit.at(point.error)

    def distance(self, point: Point) -> float | None:
        """Robustness minus the fit's value: positive is more robust than the trend."""
        fitted = self.fitted(point)
        return None if fitted is None else point.robustness - fitted

    def extrapolated(self, point: Point) -> bool:
        """Whether the point is outside the frontier's accuracies, or where the fit is 0 or less."""
        fitted = self.fitted(point)
        if fitted is None:
            return False
        low, high = self.members[0].accuracy, self.members[-1].accuracy
        return fitted <= 0 or not low <= point.accuracy <= high


def pareto(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points that no other beats: at least as accurate and as robust, and better in one.

    Equal points do not beat each other. By rising accuracy.
    """
    optimal = [point for point in points if not any(_beats(other, point) for other in points)]
    return tuple(sorted(optimal, key=lambda point: (point.accuracy, point.name)))


def _beats(one: Point, other: Point) -> bool:
    mine, its = (one.accuracy, one.robustness), (other.accuracy, other.robustness)
    return mine[0] >= its[0] and mine[1] >= its[1] and mine != its


def frontier(points: Sequence[Point]) -> Frontier:
    """The frontier of ``points``."""
    members = pareto(points)
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


def placings(
    points: Mapping[str, Point], members: Sequence[Point], curve: Curve
) -> dict[str, Placing]:
    """Where each point lies against ``curve``; ``members`` are the Pareto-optimal ones."""
    optimal = {point.name for point in members}
    found = {}
    for name, point in points.items():
        fitted = curve.fitted(point)
        distance = None if fitted is None else point.robustness - fitted
        found[name] = Placing(point.name in optimal, fitted, distance, curve.extrapolated(point))
    return found


def ranks(values: Mapping[str, float]) -> dict[str, int]:
    """1 for the largest; equals share a rank."""
    return {
        name: 1 + sum(other > mine for other in values.values()) for name, mine in values.items()
    }
