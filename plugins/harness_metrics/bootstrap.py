"""When to stop sampling: the bootstrap interval of a fit's location."""

from __future__ import annotations

import numpy as np

from harness_metrics.fit import fit, fits

REPLICATES = 40


def narrow(maxima: np.ndarray, tolerance: float, seed: int) -> bool:
    """Whether the 95% bootstrap interval of the location is narrower than this share of it.

    Replicates are fitted from all starts: from one alone they would all find the optimum that the
    whole sample found, while a few more maxima may prefer another one, far away.
    """
    whole = fit(maxima)
    if whole.shape is None:
        # Equal maxima need no more of them; where nothing fits, only more can help.
        return bool(maxima.max() == maxima.min())
    generator = np.random.default_rng([seed, len(maxima)])
    replicates = generator.choice(maxima, (REPLICATES, len(maxima)))
    locations = [each.location for each in fits(replicates)]
    low, high = np.quantile(locations, (0.025, 0.975))
    return bool(high - low <= tolerance * whole.location)
