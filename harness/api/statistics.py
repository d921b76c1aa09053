"""The statistics behind every number with an interval. Seeds are fixed: equal data, equal results.

Intervals are 95%: of a proportion Wilson's; of anything else percentiles of a bootstrap, over
images that stay paired across models, or over the models themselves. numpy is imported late,
because leaderboards without intervals start without it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from statistics import NormalDist, StatisticsError, correlation, fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CONFIDENCE = 0.95
SEED = 0
REPLICATES = 2000
"""Of a bootstrap over few things, and of a permutation."""

Range = tuple[float, float]


def wilson(successes: int, trials: int) -> Range | None:
    """The 95% score interval of a proportion (Wilson 1927); None without trials."""
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
    does not overstate the robustness of a model on which few attacks succeed.
    """
    everything = [*values, *[math.inf] * failures]
    return float(median(everything)) if everything else None


def bounds(known: int, total: int, unknown: int) -> Range | None:
    """The least and the greatest that ``known / total`` can become once ``unknown`` are counted.

    ``total`` is without the unknown ones, each of which may end within ``known``, outside it, or
    not be counted at all. None where there is nothing.
    """
    everything = total + unknown
    return (known / everything, (known + unknown) / everything) if everything else None


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


def expanded(values: Floats, count: int) -> Range | None:
    """The expanded percentile interval of a bootstrap over ``count`` things, 95%.

    Plain percentiles are too narrow for few things: the tails are those that make the interval of a
    mean as wide as Student's (Hesterberg 2015, The American Statistician 69:4, section 3.2.1).
    None where half the replicates or more have no value (NaN), or ``count`` < 3.
    """
    import numpy as np

    finite = values[np.isfinite(values)]
    if count < 3 or 2 * len(finite) <= len(values):
        return None
    width = math.sqrt(count / (count - 1)) * student(count - 1)
    return quantiles(finite, NormalDist().cdf(-width))


def quantiles(values: Floats | Sequence[float], tail: float = (1 - CONFIDENCE) / 2) -> Range:
    """The percentile interval of finite values that leaves ``tail`` on either side."""
    import numpy as np

    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def student(freedom: int) -> float:
    """Student's t for a two-sided 95% interval; the expansion is good to 1% from 3 degrees on."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def interval_of_mean(values: Sequence[float]) -> Range | None:
    """The bootstrap interval of the mean of ``values``, one per model."""
    import numpy as np

    if not values:
        return None
    weights = resampled(len(values))
    return expanded(weights @ np.asarray(values) / len(values), len(values))


def interval_over_pairs(values: Floats) -> Range | None:
    """The bootstrap interval of the mean over ordered pairs of models.

    A sample takes models, as sources and as targets at once, and with them all pairs between
    different models.

    Args:
        values: (source, target); NaN: no pair.
    """
    import numpy as np

    there = np.isfinite(values).astype(np.float64)
    weights = resampled(len(values))
    sums = ((weights @ np.nan_to_num(values)) * weights).sum(axis=1)
    counts = ((weights @ there) * weights).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return expanded(sums / counts, len(values))


def p_value(observed: float, chance: Sequence[float]) -> float:
    """The share of a permutation's values that are as large, the observed one among them."""
    # Equal sums in another order may differ in the last bits.
    slack = 1e-12 * max(1.0, abs(observed))
    return (1 + sum(value >= observed - slack for value in chance)) / (1 + len(chance))


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """The rank correlation, ties at their mean rank; None where one side is constant."""
    try:
        return correlation(mean_ranks(one), mean_ranks(other))
    except StatisticsError:
        return None


def mean_ranks(values: Sequence[float]) -> list[float]:
    """From 1 on; ties share their mean rank."""
    ordered = sorted(values)
    return [
        (bisect_left(ordered, value) + bisect_right(ordered, value) + 1) / 2 for value in values
    ]


def spearman_interval(rho: float, count: int) -> Range:
    """95%, by Fisher's z with the variance of Bonett and Wright 2000; ``count`` > 3."""
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
