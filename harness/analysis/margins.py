"""The 95% intervals of what an attack did on the models of a leaderboard, each model by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.leaderboard import Leaderboard
from harness.api.attacked import Attacked
from harness.api.statistics import SEED, Range, quantiles, wilson

BLOCK = 1_000_000
"""Drawn values in memory at once."""


@dataclass(frozen=True, slots=True)
class Margins:
    """Of one model; None where there is no number.

    Attributes:
        success: Wilson's, over the images with a verdict.
        robust_accuracy: Wilson's, over all images with an outcome; under a fixed budget.
        distortion: of the mean over broken images: percentiles of a bootstrap over them.
    """

    success: Range | None
    robust_accuracy: Range | None
    distortion: Range | None


def margins(board: Leaderboard) -> dict[str, Margins]:
    """By model; the distortion's where the leaderboard is one with intervals."""
    fixed, replicates = board.trial.attack.budget is not None, board.choice.replicates
    return {
        entry.model: _margins(place.attack, fixed, replicates)
        for entry, place in board.rows
        if place.attack is not None
    }


def _margins(attack: Attacked, fixed: bool, replicates: int | None) -> Margins:
    sizes = [size for _, size in sorted(attack.by_image.items())]
    return Margins(
        success=wilson(attack.broken, attack.attacked),
        robust_accuracy=attack.robust_accuracy_interval if fixed else None,
        distortion=mean_range(sizes, replicates) if replicates else None,
    )


def mean_range(values: Sequence[float], replicates: int) -> Range | None:
    """The interval of the mean of ``values``; None for fewer than two."""
    if len(values) < 2:
        return None
    import numpy as np

    sizes, random = np.asarray(values, float), np.random.default_rng(SEED)
    means, block = [], max(1, BLOCK // len(sizes))
    for start in range(0, replicates, block):
        rows = min(block, replicates - start)
        means.append(sizes[random.integers(len(sizes), size=(rows, len(sizes)))].mean(axis=1))
    return quantiles(np.concatenate(means))
