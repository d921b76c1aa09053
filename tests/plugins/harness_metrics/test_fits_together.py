"""The lock-step fits against scipy's, one at a time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import fmin, rosen
from scipy.stats import weibull_min

from harness_metrics.fit import STARTS, fit, fits
from harness_metrics.likelihood import weibull_fits
from harness_metrics.simplex import minima


def valley(point):
    """Finite only right of x = -1.5, and flat where it is not."""
    return rosen(point) if point[0] > -1.5 else np.inf


@pytest.mark.parametrize("function", [rosen, valley, lambda point: np.abs(point).sum()])
@pytest.mark.parametrize("dimensions", [2, 3, 4])
def test_each_problem_takes_scipys_steps(function, dimensions):
    """Exact to rounding, also where the evaluations run out (four dimensions)."""
    starts = np.random.default_rng(dimensions).normal(size=(40, dimensions))
    starts[0, 0] = 0.0
    ours = minima(lambda points, _: np.array([function(each) for each in points]), starts)
    theirs = np.stack([fmin(function, start, disp=False) for start in starts])
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_weibull_fits_end_where_scipys_do():
    generator = np.random.default_rng(1)
    for count in (10, 33, 80):
        draws = -generator.weibull(generator.uniform(1, 9, (12, 1)), (12, count))
        scaled = (draws.max(1, keepdims=True) - draws) / np.ptp(draws, axis=1, keepdims=True)
        for start in STARTS:
            ours = weibull_fits(scaled, np.full(12, start))
            for values, mine in zip(scaled, ours, strict=True):
                with np.errstate(all="ignore"):
                    theirs = weibull_min.fit(values, start)
                if abs(theirs[1]) < 100:  # further off it is the optimiser's last breath
                    np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)


def test_rows_fitted_together_are_as_rows_fitted_alone():
    generator = np.random.default_rng(2)
    maxima = 3 - generator.weibull(4.0, (6, 50))
    maxima[2] = 1.5
    together = fits(maxima)
    assert together[2].fallback
    for row, each in zip(maxima, together, strict=True):
        assert fit(row) == each
