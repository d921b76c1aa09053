"""The horizontal axis of the frontier chart: accuracy, or the error on a logarithmic scale.

Both run from left to right with rising accuracy. The law a + b ln(error) is a curve over the first
and a straight line over the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ACCURACY, LN_ERROR = "accuracy", "ln(error)"
CROWDED = 0.95
"""Where most accuracies are above, they are told apart on the logarithmic scale alone."""

_MARGIN = 0.06
_STEPS = (
    (1, 2, 5),
    (1, 1.5, 2, 3, 5, 7),
    (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9),
)
_FEWEST_TICKS = 4


@dataclass(frozen=True, slots=True)
class Axis:
    """One horizontal axis.

    Attributes:
        left, right: the errors at its ends.
    """

    name: str
    left: float
    right: float

    @property
    def logarithmic(self) -> bool:
        return self.name == LN_ERROR

    @property
    def title(self) -> str:
        return "top-1 error (logarithmic scale)" if self.logarithmic else "top-1 accuracy"

    @property
    def domain(self) -> tuple[float, float]:
        """The scale's ends: errors, or accuracies."""
        if self.logarithmic:
            return self.right, self.left
        return 1 - self.left, 1 - self.right

    def value(self, error: float) -> float:
        """What the chart's data hold of a model's error."""
        return error if self.logarithmic else 1 - error

    def share(self, error: float) -> float:
        """How far along the axis an error is: 0 at the left, 1 at the right."""
        if self.logarithmic:
            return math.log(self.left / error) / math.log(self.left / self.right)
        return (self.left - error) / (self.left - self.right)

    def error(self, share: float) -> float:
        """The error there: the inverse of `share`."""
        if self.logarithmic:
            return self.left * math.exp(share * math.log(self.right / self.left))
        return self.left + share * (self.right - self.left)

    def ticks(self) -> list[float] | None:
        """Round errors of a logarithmic axis; None: the scale's own choice."""
        if not self.logarithmic:
            return None
        found: list[float] = []
        for steps in _STEPS:
            found = _round_errors(self.right, self.left, steps)
            if len(found) >= _FEWEST_TICKS:
                break
        return found


def _round_errors(low: float, high: float, steps: Sequence[float]) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = (float(f"{step * 10.0**power:.3g}") for power in powers for step in steps)
    return [error for error in every if low <= error <= min(high, 1.0)]


def axes(errors: Sequence[float], ends: Iterable[float]) -> tuple[Axis, Axis]:
    """Both axes for the models' errors, the one that tells them apart better first.

    Args:
        ends: of the intervals; the accuracy's axis holds them, the logarithmic one as far as twice
            its models' range allows.
    """
    known = [*errors, *ends]
    low, high = min(known), max(known)
    margin = _MARGIN * (high - low) or 0.05
    linear = Axis(ACCURACY, left=min(1.0, high + margin), right=max(0.0, low - margin))
    least, most = min(errors), max(errors)
    reach = max(most / least, 1.2)
    least, most = max(low, least / reach**0.25), min(high, most * reach**0.25)
    spare = max(most / least, 1.2) ** _MARGIN
    logarithmic = Axis(LN_ERROR, left=min(1.0, most * spare), right=least / spare)
    crowded = sum(error < 1 - CROWDED for error in errors) > len(errors) / 2
    return (logarithmic, linear) if crowded else (linear, logarithmic)
