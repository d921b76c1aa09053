"""scipy's maximum likelihood fit of `weibull_min` with its objective written out: it is faster.

scipy's objective spends nearly all of its time on argument handling. This is the same function of
the same numbers, so that its optimiser takes the same steps to the same end; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

PENALTY = 100 * np.log(np.finfo(float).max)
"""What scipy adds to the negative log-likelihood for a value outside the distribution's support."""


def minimum(
    function: Callable[..., float],
    start: Sequence[float],
    args: tuple[np.ndarray],
    disp: bool = False,
) -> Any:
    """An ``optimizer`` for `weibull_min.fit`: scipy's own, on `objective` for ``function``."""
    from scipy.optimize import fmin

    return fmin(objective, start, args=args, disp=disp)


def objective(parameters: np.ndarray, values: np.ndarray) -> float:
    """The negative log-likelihood of ``values`` for (shape, location, scale), with penalties."""
    shape, location, scale = parameters.tolist()
    if not (shape > 0 and scale > 0):
        return float("inf")
    x = (values - location) / scale
    inside = x >= 0
    bad = len(x) - int(np.count_nonzero(inside))
    if bad:
        x = x[inside]
    density = np.log(shape) + (shape - 1) * np.log(x) - x**shape
    finite = np.isfinite(density)
    if not finite.all():
        bad += len(x) - int(np.count_nonzero(finite))
        density = density[finite]
    return float(-density.sum() + bad * PENALTY + len(values) * np.log(scale))
