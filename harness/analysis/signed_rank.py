"""Wilcoxon's signed-rank test: whether one of two models is the more robust on the same images.

It looks at the order of the differences alone, so an attack that failed may count as an infinite
distance: a failure on one side is the largest difference there is, one on both sides is none.
Of statuses it is McNemar's test, and computed as that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.mcnemar import mcnemar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.api.statistics import Floats

EXACT = 50
"""Up to this many images that differ, the p-value is over all assignments of signs."""
DIGITS = 9
"""Differences that agree to so many digits of the largest are tied: distances are float32."""


@dataclass(frozen=True, slots=True)
class Paired:
    """Two models on the images that both have.

    Attributes:
        images: how many they have in common; ``differing`` of them differ.
        favours: 1 where the test's statistic is for the first, -1 for the second, else 0.
        p: two-sided.
    """

    images: int
    differing: int
    favours: int
    p: float

    @property
    def turned(self) -> Paired:
        """The same with the models exchanged."""
        return Paired(self.images, self.differing, -self.favours, self.p)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Paired:
    """The test of two models' numbers by image, larger is more robust, infinite where unbroken."""
    import numpy as np

    both = sorted(first.keys() & second.keys())
    one, other = (np.array([side[image] for image in both], float) for side in (first, second))
    with np.errstate(invalid="ignore"):
        gaps = np.where(one == other, 0.0, one - other)
    return signed_rank(gaps)


def signed_rank(differences: Floats) -> Paired:
    """The test of paired differences, which may be infinite; equal pairs are left out.

    Ties have their mean rank. The p-value is exact for up to `EXACT` images that differ (the
    distribution of the sum over all signs), beyond that normal with the variance of the ranks.
    Exact at any number where all differences have the same size (McNemar's test).

    Source: Wilcoxon 1945, Biometrics Bulletin 1:6; zeros and ties as in Hollander, Wolfe and
    Chicken 2014, section 3.1.
    """
    import numpy as np

    ranks, positive = _ranks(differences)
    count = len(ranks)
    above, whole = float(ranks[positive].sum()), float(ranks.sum())
    favours = int(np.sign(round(4 * above - 2 * whole)))
    wins = int(positive.sum())
    if not count:
        p = 1.0
    elif ranks[0] == ranks[-1]:
        p = mcnemar(wins, count - wins)
    elif count <= EXACT:
        p = _exact(np.rint(2 * ranks).astype(int), round(2 * above))
    else:
        z = abs(above - whole / 2) / math.sqrt(float((ranks**2).sum()) / 4)
        p = math.erfc(z / math.sqrt(2))
    return Paired(len(differences), count, favours, p)


def _ranks(differences: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The mid-ranks of the sizes of differences that are not 0, ascending; and which are positive.

    Ranks begin with 1.
    """
    import numpy as np

    sizes = np.abs(differences)
    finite = sizes[np.isfinite(sizes)]
    unit = float(finite.max()) if len(finite) and finite.max() > 0 else 1.0
    sizes = np.round(sizes / unit, DIGITS)
    order = np.argsort(sizes, kind="stable")
    order = order[sizes[order] > 0]
    _, place, counts = np.unique(sizes[order], return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place], differences[order] > 0


def _exact(doubled: NDArray[np.int_], above: int) -> float:
    """The two-sided probability of a sum as far out, each rank counted with probability 1/2.

    Args:
        doubled: twice the ranks, whole numbers.
        above: twice the sum of those of positive differences.
    """
    import numpy as np

    chances = np.zeros(int(doubled.sum()) + 1)
    chances[0] = 1.0
    for rank in doubled:
        without = chances / 2
        chances = without.copy()
        chances[rank:] += without[:-rank]
    return min(1.0, 2 * float(min(chances[: above + 1].sum(), chances[above:].sum())))
