"""Small statistics with the study's conventions; the standard library suffices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, median

CONFIDENCE = 0.95


def wilson(successes: int, trials: int) -> tuple[float, float] | None:
    """The 95 % score interval of a proportion (Wilson 1927); None without trials."""
    if not trials:
        return None
    z2 = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) ** 2
    share = successes / trials
    centre = share + z2 / (2 * trials)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / (4 * trials)) / trials)
    # The ends are exact at no and at all successes; rounding would leave [0, 1] by an ulp.
    low = 0.0 if successes == 0 else (centre - half) / (1 + z2 / trials)
    high = 1.0 if successes == trials else (centre + half) / (1 + z2 / trials)
    return low, high


def mean(values: Sequence[float]) -> float | None:
    """The mean; None without values."""
    return fmean(values) if values else None


def median_with_failures(values: Sequence[float], failures: int = 0) -> float | None:
    """The median of ``values`` and of ``failures`` infinite ones; None without either.

    It is infinite from the point where half of them are failures. Unlike a mean over successes it
    does not flatter a model on which few attacks succeed.
    """
    everything = [*values, *[math.inf] * failures]
    return float(median(everything)) if everything else None


def bounds(known: int, total: int, unknown: int) -> tuple[float, float] | None:
    """The least and the largest that ``known / total`` can become once ``unknown`` are counted.

    ``total`` is without the unknown ones, each of which may end within ``known``, outside it, or
    not be counted at all. None where there is nothing.
    """
    everything = total + unknown
    return (known / everything, (known + unknown) / everything) if everything else None
