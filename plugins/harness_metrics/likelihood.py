"""Maximum likelihood fits of `scipy.stats.weibull_min`, many at a time.

The objective, its penalties and the starts are scipy's, written out for arrays; the optimiser takes
scipy's steps (`harness_metrics.simplex`). A test compares the ends with scipy's own.
"""

from __future__ import annotations

import numpy as np

from harness_metrics.simplex import minima

PENALTY = 100 * np.log(np.finfo(float).max)
"""What scipy adds to the negative log-likelihood for a value outside the distribution's support."""


def weibull_fits(values: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """(shape, location, scale) for each row of ``values`` (problems, n).

    Args:
        shapes: (problems,), what each search starts from. NaN where it ends at no distribution.
    """
    with np.errstate(all="ignore"):
        found = minima(
            lambda points, problems: objective(points, values[problems]),
            moment_starts(values, shapes),
        )
    found[~((found[:, 0] > 0) & (found[:, 2] > 0) & np.isfinite(found).all(1))] = np.nan
    return found


def moment_starts(values: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """(shape, location, scale) with the given shapes and the mean and variance of ``values``."""
    from scipy.special import gamma

    first, second = gamma(1 + 1 / shapes), gamma(1 + 2 / shapes)
    scales = np.sqrt(values.var(axis=1) / (second - first**2))
    return np.stack((shapes, values.mean(axis=1) - scales * first, scales), axis=1)


def objective(parameters: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The negative log-likelihood of each row for its (shape, location, scale), with penalties."""
    shape, location, scale = parameters.T[:, :, None]
    x = (values - location) / scale
    x = np.where(x >= 0, x, np.nan)
    density = np.log(shape) + (shape - 1) * np.log(x) - x**shape
    sane = np.isfinite(density)
    bad = values.shape[1] - sane.sum(axis=1)
    total = -np.where(sane, density, 0).sum(axis=1) + bad * PENALTY
    total += values.shape[1] * np.log(scale[:, 0])
    return np.where((shape[:, 0] > 0) & (scale[:, 0] > 0), total, np.inf)
