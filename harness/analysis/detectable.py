"""The smallest difference between two models of a leaderboard that its images would show.

For a paired test at 5%, two-sided, and a power of 80%: the difference that four of five samples of
as many images would find. Smaller ones between neighbouring rows say little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, median, stdev
from typing import Literal

from harness.analysis.leaderboard import Leaderboard
from harness.analysis.place import Entry, Place
from harness.api.statistics import CONFIDENCE, student

POWER = 0.8
FEWEST = 6
"""With fewer images no paired test of ranks or of rates reaches 5%."""
PAIRS = 32
"""Of more neighbours so many are looked at, evenly spread: the median of all says no more."""

Row = tuple[Entry, Place]
Unit = Literal["accuracy", "success", "robust accuracy", "distortion"]


@dataclass(frozen=True, slots=True)
class Detectable:
    """Of a leaderboard.

    Attributes:
        unit: which number the difference is of: rates in [0, 1], mean distortions over images that
            both models were broken on in pixel space.
        difference: the median over pairs of neighbouring rows.
        pairs: the neighbours behind it.
        images: that they have in common, the median.
    """

    unit: Unit
    difference: float
    pairs: int
    images: int


def detectable(board: Leaderboard) -> Detectable | None:
    """Of a leaderboard of one attack; None where no neighbours share `FEWEST` images."""
    unit, found = _unit(board), []
    of = of_distances if unit == "distortion" else of_rates
    for rows in _neighbours(board):
        one, other = (_by_image(board, row, unit) for row in rows)
        gaps = [one[image] - other[image] for image in one.keys() & other.keys()]
        if len(gaps) >= FEWEST:
            found.append((of(gaps), len(gaps)))
    if not found:
        return None
    return Detectable(
        unit=unit,
        difference=median(size for size, _ in found),
        pairs=len(found),
        images=round(median(count for _, count in found)),
    )


def of_distances(gaps: Sequence[float]) -> float:
    """For the mean of paired differences that spread like ``gaps``, at least two."""
    width = student(len(gaps) - 1) + NormalDist().inv_cdf(POWER)
    return width * stdev(gaps) / math.sqrt(len(gaps))


def of_rates(gaps: Sequence[float]) -> float:
    """For two rates, each gap -1, 0 or 1, by McNemar's test; at most 1.

    The spread under equality is the root of the number of discordant images. Where these are too
    few to show any difference, as many count as would if all were in one model's favour.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) + NormalDist().inv_cdf(POWER)
    discordant = sum(gap != 0 for gap in gaps)
    return min(1.0, z * math.sqrt(max(discordant, z**2)) / len(gaps))


def _unit(board: Leaderboard) -> Unit:
    if board.trial.attack.fixed and board.sort in ("frontier", "robust"):
        return "robust accuracy"
    if board.sort == "success":
        return "success"
    return "accuracy" if board.sort == "accuracy" else "distortion"


def _by_image(board: Leaderboard, row: Row, unit: Unit) -> Mapping[int, float]:
    """A model's numbers by image."""
    entry, place = row
    attack = place.attack
    if unit == "accuracy":
        right = board.trial.predictions(entry.model)
        return {image: float(each) for image, each in right.items() if each is not None}
    if attack is None:
        return {}
    if unit == "robust accuracy":
        return {image: float(each) for image, each in attack.robust.items()}
    sizes = attack.by_image
    if unit == "distortion":
        return sizes
    return {image: float(image in sizes) for image in attack.judged}


def _neighbours(board: Leaderboard) -> list[tuple[Row, Row]]:
    """Ranked models that follow each other."""
    found = list(pairwise(row for row in board.rows if row[0].rank is not None))
    step = len(found) / PAIRS
    return found if step <= 1 else [found[int(step * place)] for place in range(PAIRS)]
