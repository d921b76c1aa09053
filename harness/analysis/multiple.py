"""Many tests at once: p-values adjusted for their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Control = Literal["holm", "bh"]
"""``holm``: the chance of any false finding; ``bh``: the expected share of false ones."""


def adjusted(values: Sequence[float], control: Control) -> list[float]:
    """Adjusted p-values, in the order of ``values``: below 5% what is found at a level of 5%."""
    return holm(values) if control == "holm" else benjamini_hochberg(values)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down: at most 5% of families have a false finding, whatever the dependence.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:2.
    """
    order, found, largest = _ascending(values), [1.0] * len(values), 0.0
    for position, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - position) * values[index]))
        found[index] = largest
    return found


def benjamini_hochberg(values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's step-up: at most 5% of the findings are false, on average.

    Proven for independent tests and some positive dependence; of all pairs of models on the same
    images it is checked by simulation (docs/statistics.md).

    Source: Benjamini and Hochberg 1995, Journal of the Royal Statistical Society B 57:1.
    """
    order, found, least = _ascending(values), [1.0] * len(values), 1.0
    for position in range(len(values), 0, -1):
        index = order[position - 1]
        least = min(least, len(values) / position * values[index])
        found[index] = least
    return found


def _ascending(values: Sequence[float]) -> list[int]:
    return sorted(range(len(values)), key=values.__getitem__)
