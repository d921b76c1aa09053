"""CLEVER's fit of batch maxima: a reverse Weibull distribution, whose location is the answer.

After the released code (huanzhang12/CLEVER): the maxima G are scaled to s = (G - max)/(max - min),
`scipy.stats.weibull_min` is fitted to -s from several starting shapes, and the fit with the highest
Kolmogorov-Smirnov p-value is kept. That code adds 0.01 theta^2 to the likelihood; here scipy's is
taken as it is. No torch: the fits run in processes of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STARTS = (0.1, 1.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""The shapes that fits start from."""
LEAST_P = 0.001
"""Below this p-value the fit is thrown away."""
ROUNDING = 1e-6
"""Maxima that differ by less, relatively, are equal: it is the rounding of float32 sums."""


FARTHEST = 100.0
"""A location further beyond the largest maximum, in spans of all maxima, is no estimate.

Where the maxima look like a Gumbel distribution's, the likelihood grows as location and shape run
off to infinity together; the p-value is then as good as any, and the score 0.
"""


@dataclass(frozen=True, slots=True)
class Fit:
    """The reverse Weibull distribution of batch maxima, in the units of the gradients' norms.

    Attributes:
        location: its right end, the estimate of the local Lipschitz constant.
        scale, shape: None where there is no fit.
        p: of the Kolmogorov-Smirnov test.
        fallback: whether the location is the largest maximum, for want of a fit.
        largest: the largest maximum.
    """

    location: float
    scale: float | None
    shape: float | None
    p: float | None
    fallback: bool
    largest: float


def fit(maxima: np.ndarray, starts: Sequence[float] = STARTS) -> Fit:
    """The fit of ``maxima``, (n,), all finite; the largest where they are equal or do not fit."""
    values = np.asarray(maxima, dtype=np.float64)
    largest, smallest = float(values.max()), float(values.min())
    span = largest - smallest
    nothing = Fit(largest, None, None, None, True, largest)
    if span <= ROUNDING * abs(largest):
        return nothing
    scaled = (largest - values) / span
    p, best = -1.0, (0.0, 0.0, 0.0)
    for start in starts:
        shape, location, scale = _weibull(scaled, start)
        if not abs(location) <= FARTHEST:
            continue
        here = _agreement(scaled, shape, location, scale)
        if here > p:  # not where it is NaN
            p, best = here, (shape, location, scale)
    if p < LEAST_P:
        return nothing
    shape, location, scale = best
    return Fit(largest - location * span, scale * span, shape, p, False, largest)


def _weibull(values: np.ndarray, start: float) -> tuple[float, float, float]:
    from scipy.stats import weibull_min

    from harness_metrics.likelihood import minimum

    with np.errstate(all="ignore"):
        try:
            shape, location, scale = weibull_min.fit(values, start, optimizer=minimum)
        except Exception:  # no optimum from here: scipy has several errors for it
            return math.nan, math.nan, math.nan
    return float(shape), float(location), float(scale)


def _agreement(values: np.ndarray, shape: float, location: float, scale: float) -> float:
    """The Kolmogorov-Smirnov p-value; NaN without a distribution."""
    from scipy.stats import kstest

    if not (math.isfinite(location) and scale > 0 and shape > 0):
        return math.nan
    with np.errstate(all="ignore"):
        return float(kstest(values, "weibull_min", args=(shape, location, scale)).pvalue)
