"""How many regimes the models of a suite fall into, without being told which model is of which.

One, two or three curves of robustness over ln(top-1 error), each with a share of the models and a
scatter that they have in common: a mixture of regressions (Quandt and Ramsey 1978), fitted by
expectation and maximisation from several starts. Curves are straight lines and parabolas, scatter
is constant or in proportion to the curve; the best of these serves each number of regimes, so that
one bent law is not taken for two straight ones. Numbers of regimes are compared by the integrated
completed likelihood (Biernacki, Celeux and Govaert 2000): BIC, and a penalty where models cannot
be assigned, because two regimes that cannot be told apart are none to speak of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.api.statistics import SEED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.api.statistics import Floats

MOST = 3
"""Regimes that are tried."""
FEWEST = 15
"""Models; below, the number of regimes is not told."""
FEWEST_EACH = 4
"""Models of a regime."""
SPARE = 2.0
"""Models per coefficient of a mixture that is tried."""
DECISIVE = 6.0
"""Of a difference of two criteria: strong evidence (Kass and Raftery 1995)."""
STARTS, ROUNDS, KEPT, MORE = 16, 12, 3, 60
"""Rounds of all starts, and then of the best ones."""


@dataclass(frozen=True, slots=True)
class Regimes:
    """How many regimes the data support.

    Attributes:
        criteria: of each number of regimes that could be tried; the smallest is the best.
        count: the number whose criterion is the smallest.
        decided: whether it is so by `DECISIVE`; False: not enough data.
        members: the regime of each model, 0 for the least robust on average.
    """

    models: int
    criteria: dict[int, float]
    count: int
    decided: bool
    members: tuple[int, ...] = ()


class _Kind(NamedTuple):
    """Curves: polynomials of this degree in ln(error), of the robustness or of its logarithm."""

    degree: int
    logarithm: bool
    proportional: bool


KINDS = (
    _Kind(1, logarithm=False, proportional=False),
    _Kind(2, logarithm=False, proportional=False),
    _Kind(1, logarithm=False, proportional=True),
    _Kind(1, logarithm=True, proportional=False),
    _Kind(2, logarithm=True, proportional=False),
)
ALONE = (
    _Kind(3, logarithm=False, proportional=False),
    _Kind(3, logarithm=True, proportional=False),
)
"""Of a single regime only."""


def regimes(errors: Floats, robustness: Floats, scatter: float | None = None) -> Regimes:
    """The number of regimes that models support.

    Args:
        errors: top-1 errors in (0, 1], shape (models,); so ``robustness``, finite.
        scatter: of models about their curve, as a share of it, where it is known; ``robustness`` is
            positive then. None: it is estimated.
    """
    import numpy as np

    count = len(errors)
    if count < FEWEST or len(np.unique(errors)) < FEWEST_EACH or np.ptp(robustness) == 0:
        return Regimes(count, {}, 1, decided=False)
    found = {each: _best(errors, robustness, each, scatter) for each in range(1, MOST + 1)}
    criteria = {each: best[0] for each, best in found.items() if best is not None}
    order = sorted(criteria, key=lambda each: (criteria[each], each))
    apart = criteria[order[1]] - criteria[order[0]] if len(order) > 1 else 0.0
    chosen = found[order[0]]
    assert chosen is not None
    return Regimes(
        count, criteria, order[0], apart > DECISIVE, _ordered(chosen[1].argmax(axis=0), robustness)
    )


def _ordered(members: NDArray[np.intp], robustness: Floats) -> tuple[int, ...]:
    there = sorted(set(members.tolist()), key=lambda each: robustness[members == each].mean())
    return tuple(there.index(each) for each in members.tolist())


def _best(
    errors: Floats, robustness: Floats, count: int, scatter: float | None
) -> tuple[float, Floats] | None:
    """The smallest criterion over the kinds, and the shares (regimes, models) of its models."""
    found = list(_fits(errors, robustness, count, scatter))
    return min(found, key=lambda each: each[0], default=None)


def _fits(
    errors: Floats, robustness: Floats, count: int, scatter: float | None
) -> Iterator[tuple[float, Floats]]:
    import numpy as np

    models, logs = len(errors), np.log(errors)
    logs = (logs - logs.mean()) / logs.std()
    unit = float(np.abs(robustness).mean())
    for kind in KINDS + (ALONE if count == 1 else ()):
        free = count * (kind.degree + 1) + count - (scatter is not None)
        if scatter is not None and not (kind.proportional or kind.logarithm):
            continue
        positive = bool((robustness > 0).all())
        if models < SPARE * free or not (positive or not (kind.logarithm or kind.proportional)):
            continue
        values = np.log(robustness / unit) if kind.logarithm else robustness / unit
        design = logs[:, None] ** np.arange(kind.degree + 1)
        fitted = _mixture(design, values, count, kind.proportional, scatter)
        if fitted is None:
            continue
        likelihood, shares = fitted
        likelihood -= models * math.log(unit) + (values.sum() if kind.logarithm else 0.0)
        entropy = -float((shares * np.log(np.maximum(shares, 1e-300))).sum())
        yield -2 * likelihood + free * math.log(models) + 2 * entropy, shares


def _mixture(
    design: Floats, values: Floats, count: int, proportional: bool, scatter: float | None = None
) -> tuple[float, Floats] | None:
    """The log likelihood of the best mixture, and each model's shares in its regimes."""
    import numpy as np

    shares = _starts(design, values, count)
    for rounds in (ROUNDS, MORE):
        for _ in range(rounds):
            likelihoods, shares = _round(design, values, shares, proportional, scatter)
        able = shares.sum(axis=2).min(axis=1) >= FEWEST_EACH
        likelihoods = np.where(able, likelihoods, -np.inf)
        best = np.argsort(-likelihoods)[:KEPT]
        if not np.isfinite(likelihoods[best[0]]):
            return None
        shares = shares[best]
        if count == 1:
            break
    return float(likelihoods[best[0]]), shares[0]


def _starts(design: Floats, values: Floats, count: int) -> Floats:
    """Shares (starts, regimes, models): by gaps and quantiles of residuals, then at random.

    A random start takes curves through a few models and assigns each model to the nearest.
    """
    import numpy as np

    if count == 1:
        return np.ones((1, 1, len(values)))
    random, models = np.random.default_rng(SEED), len(values)
    levels = np.sort(values)
    widest = np.sort(np.argsort(np.diff(levels))[1 - count :])
    residuals = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    near = [
        np.searchsorted((levels[widest] + levels[widest + 1]) / 2, values),
        np.searchsorted(np.quantile(values, np.arange(1, count) / count), values),
        np.searchsorted(np.quantile(residuals, np.arange(1, count) / count), residuals),
    ]
    few = design.shape[1] + 1
    while len(near) < STARTS:
        drawn = random.permutation(models)[: count * few].reshape(count, few)
        curves = [np.linalg.lstsq(design[i], values[i], rcond=None)[0] for i in drawn]
        away = np.abs(values - np.stack([design @ curve for curve in curves]))
        near.append(away.argmin(axis=0))
    hard = np.stack([[each == number for number in range(count)] for each in near])
    soft: Floats = 0.05 / count + 0.95 * hard
    return soft


def _round(
    design: Floats, values: Floats, shares: Floats, proportional: bool, scatter: float | None
) -> tuple[Floats, Floats]:
    """One maximisation and expectation of every start: the log likelihoods and new shares."""
    import numpy as np

    models, size = design.shape
    products = (design[:, :, None] * design[:, None, :]).reshape(models, -1)
    scale = np.ones(shares.shape)
    for _ in range(2 if proportional else 1):  # the second time with the curves as weights
        weights = shares / scale**2
        left = (weights @ products).reshape(*shares.shape[:2], size, size)
        left += 1e-9 * np.trace(left, axis1=2, axis2=3)[..., None, None] * np.eye(size)
        right = (weights * values) @ design
        curves = np.linalg.solve(left, right[..., None])[..., 0] @ design.T
        if proportional:
            scale = np.maximum(np.abs(curves), 0.05)
    squares = ((values - curves) / scale) ** 2
    spread = np.maximum((shares * squares).sum(axis=(1, 2)) / models, 1e-12)[:, None, None]
    if scatter is not None:
        spread = np.full_like(spread, scatter**2)
    parts = np.maximum(shares.sum(axis=2, keepdims=True) / models, 1e-12)
    logs = np.log(parts) - 0.5 * (squares / spread + np.log(2 * np.pi * spread)) - np.log(scale)
    most = logs.max(axis=1, keepdims=True)
    new = np.exp(logs - most)
    total = new.sum(axis=1, keepdims=True)
    likelihoods: Floats = (most + np.log(total)).sum(axis=(1, 2))
    return likelihoods, new / total
