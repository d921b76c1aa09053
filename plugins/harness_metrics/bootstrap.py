"""When to stop sampling: the bootstrap interval of a fit's location."""

from __future__ import annotations

import numpy as np

from harness_metrics.fit import fit

REPLICATES = 40


def narrow(maxima: np.ndarray, tolerance: float, seed: int) -> bool:
    """Whether the 95 % bootstrap interval of the location is narrower than this share of it.

    The replicates' fits start from the shape of the whole sample's fit alone.
    """
    whole = fit(maxima)
    if whole.shape is None:
        # Equal maxima need no more of them; where nothing fits, only more can help.
        return bool(maxima.max() == maxima.min())
    generator = np.random.default_rng([seed, len(maxima)])
    locations = [
        fit(generator.choice(maxima, len(maxima)), starts=(whole.shape,)).location
        for _ in range(REPLICATES)
    ]
    low, high = np.quantile(locations, (0.025, 0.975))
    return bool(high - low <= tolerance * whole.location)
