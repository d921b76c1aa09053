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
"""A location further beyond the largest maximum, in spans of all maxima, is not an estimate.

Where the maxima look like a Gumbel distribution's, the likelihood grows as location and shape run
off to infinity together; the p-value is then as good as any, and the score 0.
"""


@dataclass(frozen=True, slots=True)
class Fit:
    """The reverse Weibull distribution of batch maxima, in the units of the gradients' norms.

    Attributes:
        location: its right end, the estimate of the local Lipschitz constant.
        scale, shape: None where no fit exists.
        p: of the Kolmogorov-Smirnov test.
        fallback: whether the location is the largest maximum, because no fit exists.
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
    (found,) = fits(np.asarray(maxima)[None], starts)
    return found


def fits(maxima: np.ndarray, starts: Sequence[float] = STARTS) -> list[Fit]:
    """The fit of each row of ``maxima``, (rows, n), as `fit`; all rows at once is much faster."""
    values = np.asarray(maxima, dtype=np.float64)
    largest = values.max(axis=1)
    span = largest - values.min(axis=1)
    found = [Fit(float(each), None, None, None, True, float(each)) for each in largest]
    (rows,) = np.nonzero(span > ROUNDING * np.abs(largest))
    scaled = (largest[rows, None] - values[rows]) / span[rows, None]
    for row, one, best in zip(rows, scaled, _best(scaled, starts), strict=True):
        p = math.nan if best is None else _p(one, best)
        if best is not None and p >= LEAST_P:
            shape, location, scale = best
            width = float(span[row])
            top = float(largest[row])
            found[row] = Fit(top - location * width, scale * width, shape, p, False, top)
    return found


_Weibull = tuple[float, float, float]
"""Shape, location, scale."""


def _best(scaled: np.ndarray, starts: Sequence[float]) -> list[_Weibull | None]:
    """For each row the distribution nearest to it, which has the highest p-value."""
    from harness_metrics.likelihood import weibull_fits

    if not len(scaled):
        return []
    many = np.repeat(scaled, len(starts), axis=0)
    ends = weibull_fits(many, np.tile(np.asarray(starts, dtype=np.float64), len(scaled)))
    with np.errstate(all="ignore"):
        near = np.where(np.abs(ends[:, 1]) <= FARTHEST, _distance(many, ends), np.inf)
    choices = np.nan_to_num(near, nan=np.inf).reshape(len(scaled), len(starts))
    winners = choices.argmin(axis=1)
    ends = ends.reshape(len(scaled), len(starts), 3)
    return [
        tuple(ends[row, winner].tolist()) if np.isfinite(choices[row, winner]) else None
        for row, winner in enumerate(winners)
    ]


def _distance(values: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Kolmogorov and Smirnov's statistic of each row against its distribution."""
    shape, location, scale = ends.T[:, :, None]
    count = values.shape[1]
    x = np.clip((np.sort(values, axis=1) - location) / scale, 0, None)
    reached = -np.expm1(-(x**shape))
    steps = np.arange(count + 1) / count
    return np.maximum(steps[1:] - reached, reached - steps[:-1]).max(axis=1)


def _p(values: np.ndarray, best: _Weibull) -> float:
    """The Kolmogorov-Smirnov p-value."""
    from scipy.stats import kstest

    with np.errstate(all="ignore"):
        return float(kstest(values, "weibull_min", args=best).pvalue)
