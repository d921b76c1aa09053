"""Bootstrap, permutation and small exact tests. Seeds are fixed: equal data, equal verdicts."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from statistics import NormalDist, StatisticsError, correlation
from typing import TYPE_CHECKING

from harness.analysis.statistics import CONFIDENCE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

REPLICATES = 2000
SEED = 0


def resampled(count: int, replicates: int = REPLICATES) -> Floats:
    """How often each of ``count`` things is in each bootstrap sample: (replicates, count)."""
    import numpy as np

    random = np.random.default_rng(SEED)
    drawn = random.multinomial(count, np.full(count, 1 / count), size=replicates)
    return drawn.astype(np.float64)


def shuffled(count: int, replicates: int = REPLICATES) -> list[list[int]]:
    """Random orders of 0 ... count - 1."""
    import random

    source = random.Random(SEED)
    return [source.sample(range(count), count) for _ in range(replicates)]


def percentiles(values: Floats, count: int) -> tuple[float, float] | None:
    """The expanded percentile interval of a bootstrap over ``count`` things, 95 %.

    Plain percentiles are too narrow for few things: the tails are those that make the interval of a
    mean as wide as Student's (Hesterberg 2015, The American Statistician 69:4, section 3.2.1).
    None where more than half the replicates have no value (NaN), or ``count`` < 3.
    """
    import numpy as np

    finite = values[np.isfinite(values)]
    if count < 3 or 2 * len(finite) <= len(values):
        return None
    width = math.sqrt(count / (count - 1)) * student(count - 1)
    tail = NormalDist().cdf(-width)
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high)


def student(freedom: int) -> float:
    """Student's t for a two-sided 95 % interval; the expansion is good to 1 % from 3 degrees on."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def interval_of_mean(values: Sequence[float]) -> tuple[float, float] | None:
    """The bootstrap interval of the mean of ``values``, one a model."""
    import numpy as np

    if not values:
        return None
    weights = resampled(len(values))
    return percentiles(weights @ np.asarray(values) / len(values), len(values))


def p_value(observed: float, chance: Sequence[float]) -> float:
    """The share of a permutation's values that are as large, the observed one among them."""
    # Equal sums in another order may differ in the last bits.
    slack = 1e-12 * max(1.0, abs(observed))
    return (1 + sum(value >= observed - slack for value in chance)) / (1 + len(chance))


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """The rank correlation, ties at their mean rank; None where one side is constant."""
    try:
        return correlation(ranks(one), ranks(other))
    except StatisticsError:
        return None


def ranks(values: Sequence[float]) -> list[float]:
    """From 1 on; ties share their mean rank."""
    ordered = sorted(values)
    return [
        (bisect_left(ordered, value) + bisect_right(ordered, value) + 1) / 2 for value in values
    ]


def spearman_interval(rho: float, count: int) -> tuple[float, float]:
    """95 %, by Fisher's z with the variance of Bonett and Wright 2000; ``count`` > 3."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    half = z * math.sqrt((1 + rho * rho / 2) / (count - 3))
    centre = math.atanh(max(-0.999999, min(0.999999, rho)))
    return math.tanh(centre - half), math.tanh(centre + half)


def binomial_tail(hits: int, trials: int, share: float) -> float:
    """The probability of at most ``hits`` among ``trials``, each with probability ``share``."""
    logs = (
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * math.log(share)
        + (trials - k) * math.log1p(-share)
        for k in range(hits + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))
