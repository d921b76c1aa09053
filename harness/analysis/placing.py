"""Where models lie against a curve of robustness over accuracy, and their ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.api.frontier import Point


class Curve(Protocol):
    """What a model's robustness is compared with at its accuracy."""

    def fitted(self, point: Point) -> float | None:
        """The curve's value at the point's accuracy; None where there is no fit."""

    def extrapolated(self, point: Point) -> bool:
        """Whether the curve is extrapolated there."""


@dataclass(frozen=True, slots=True)
class Placing:
    """Where a model lies: ``distance`` is its robustness minus the curve's value.

    Attributes:
        excluded: why it is no member of the frontier; see `membership`.
    """

    on_frontier: bool
    fitted: float | None
    distance: float | None
    extrapolated: bool
    excluded: str | None = None


NOWHERE = Placing(on_frontier=False, fitted=None, distance=None, extrapolated=False)
"""Of a model without an accuracy or a robustness."""


def placings(
    points: Mapping[str, Point], members: Sequence[Point], curve: Curve
) -> dict[str, Placing]:
    """Where each point lies against ``curve``; ``members`` are the Pareto-optimal ones."""
    optimal = {point.name for point in members}
    found = {}
    for name, point in points.items():
        fitted = curve.fitted(point)
        distance = None if fitted is None else point.robustness - fitted
        found[name] = Placing(
            on_frontier=point.name in optimal,
            fitted=fitted,
            distance=distance,
            extrapolated=curve.extrapolated(point),
            excluded=point.excluded,
        )
    return found


def ranks(values: Mapping[str, float]) -> dict[str, int]:
    """1 for the largest; equals share a rank."""
    first: dict[float, int] = {}
    for place, value in enumerate(sorted(values.values(), reverse=True), 1):
        first.setdefault(value, place)
    return {name: first[mine] for name, mine in values.items()}
