"""Global random numbers: libraries draw from them, and a plugin leaves them as they were."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's, numpy's and Python's global random numbers from ``seed`` on; then as they were.

    So are numpy's generators that a library makes without a seed, which the system would seed.
    """
    legacy, own = np.random.get_state(legacy=False), random.getstate()
    seeds = itertools.count(seed % 2**31)
    state, rng = np.random.RandomState, np.random.default_rng

    class Seeded(state):  # type: ignore[misc, valid-type]  # others ask for its class
        def __init__(self, seed: Any = None) -> None:
            super().__init__(next(seeds) if seed is None else seed)

    def default_rng(seed: Any = None) -> np.random.Generator:
        return rng(next(seeds) if seed is None else seed)

    with (
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        patch.object(np.random, "RandomState", Seeded),
        patch.object(np.random, "default_rng", default_rng),
    ):
        torch.manual_seed(seed % 2**63)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(legacy)
            random.setstate(own)
