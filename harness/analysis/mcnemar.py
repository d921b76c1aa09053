"""McNemar's test: whether two rates on the same images differ by more than chance."""

from __future__ import annotations

import math

EXACT = 1000
"""Up to this many discordant images McNemar's test is the exact binomial one."""


def mcnemar(first: int, second: int) -> float:
    """The two-sided p-value that both kinds of discordant images are equally likely.

    Exact binomial for up to `EXACT` of them (McNemar 1947), beyond that the chi-squared statistic
    with continuity correction.
    """
    total = first + second
    if total <= EXACT:
        tail = sum(math.comb(total, k) for k in range(min(first, second) + 1))
        return min(1.0, 2 * tail / (1 << total))
    statistic = max(0, abs(first - second) - 1) ** 2 / total
    return math.erfc(math.sqrt(statistic / 2))
