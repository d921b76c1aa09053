"""Which law predicts a model best that it was not fitted to, and whether the data can tell.

Each model is left out in turn; of a frontier the Pareto-optimal models are chosen anew among the
others, because a member that is left out may let models in that it beat. What a law is off by is
taken in proportion unless models scatter evenly, else the least robust would say next to nothing.

The best law has the smallest mean squared error. How much worse another is is told by twice the
logarithm of its odds, (models - 4) ln(its mean square / the best one's): the likelihood ratio of
normal errors, with a model less for each coefficient of the law that has the most. Another is
*worse* from `DECISIVE` on, *as good* up to `AS_GOOD`, else *open*. Preferred is the simplest law
that is the best or as good, if every other one that is as simple is worse. So a law that bends more
has to predict better, and few models end in "not distinguishable". The intervals of the mean
difference of squared errors from the best law are of a bootstrap over models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from harness.api.frontier import Point, pareto
from harness.api.statistics import Range, expanded, resampled
from harness_laws.fits import COMPLEXITY, LAWS, LawName, fit, left_out, scatter

if TYPE_CHECKING:
    from harness.api.statistics import Floats

FEWEST = 8
"""Models that a law has to predict; below, no comparison is made."""
DECISIVE = 6.0
"""Of twice the logarithm of the odds, 20 to 1: strong evidence (Kass and Raftery 1995)."""
AS_GOOD = 3.0
"""Of the same: so much better by a bend is not enough."""
COEFFICIENTS = 4
"""Of the law that has the most."""

Standing = Literal["best", "as good", "open", "worse"]
Decision = Literal["preferred", "not distinguishable", "not enough data"]


@dataclass(frozen=True, slots=True)
class Tried:
    """A law on trial.

    Attributes:
        error: root mean squared error in predicting a model left out; a share of the robustness
            where the comparison is in proportion.
        excess: the mean squared error above the best law's, and its 95% interval, both as shares
            of the best law's.
        odds: twice the logarithm of the odds against it, compared with the best law.
    """

    law: LawName
    error: float
    excess: float
    interval: Range | None
    odds: float
    standing: Standing


@dataclass(frozen=True, slots=True)
class Comparison:
    """The laws on trial, the smallest error first.

    Attributes:
        models: that were left out, each in turn.
        preferred: None unless one is.
        proportional: whether errors are shares of the robustness.
        needed: about so many models would tell the simplest candidates apart, were the differences
            to stay; None where the simplest is the best one, or it is decided.
    """

    tried: tuple[Tried, ...]
    models: int
    decision: Decision
    preferred: LawName | None = None
    candidates: tuple[LawName, ...] = ()
    needed: int | None = None
    proportional: bool = False


def compare(points: Sequence[Point]) -> Comparison:
    """The laws of all models."""
    if len(points) < FEWEST:
        return Comparison((), len(points), "not enough data", needed=FEWEST)
    errors, robustness = arrays(points)
    scale = scatter(errors, robustness)
    found = {law: left_out(law, errors, robustness, scale) for law in LAWS}
    return _compared(found, robustness, scale)


def compare_frontier(points: Sequence[Point]) -> Comparison:
    """The laws of the Pareto-optimal models among ``points``."""
    import numpy as np

    able = [point for point in points if point.excluded is None]
    members = pareto(able)
    if len(members) < FEWEST:
        return Comparison((), len(members), "not enough data", needed=FEWEST)
    own, size = arrays(members), scatter(*arrays(members))
    found: dict[LawName, list[float]] = {law: [] for law in LAWS}
    for member, unit in zip(members, np.ones(len(members)) if size is None else size, strict=True):
        errors, robustness = arrays(pareto([point for point in able if point is not member]))
        scale = None if size is None else scatter(errors, robustness)
        for law in LAWS:
            predicted = fit(law, errors, robustness, scale).at(np.array([member.error]))
            found[law].append((member.robustness - float(predicted[0])) / unit)
    return _compared({law: np.array(each) for law, each in found.items()}, own[1], size)


def _compared(
    residuals: Mapping[LawName, Floats], robustness: Floats, scale: Floats | None
) -> Comparison:
    sizes = robustness if scale is None else robustness / scale
    found = judged({law: _rounded(each, sizes) for law, each in residuals.items()})
    return replace(found, proportional=scale is not None)


def _rounded(residuals: Floats, robustness: Floats) -> Floats:
    """Without what is rounding: of models that lie exactly on a law nothing else is left."""
    import numpy as np

    rounding = 1e-9 * float(np.abs(robustness).max())
    return np.where(np.abs(residuals) <= rounding, 0.0, residuals)


def arrays(points: Sequence[Point]) -> tuple[Floats, Floats]:
    """Top-1 errors and robustness."""
    import numpy as np

    return (
        np.array([point.error for point in points]),
        np.array([point.robustness for point in points]),
    )


def judged(residuals: Mapping[LawName, Floats]) -> Comparison:
    """The comparison of laws by their residuals at the same models left out."""
    import numpy as np

    squares = {law: each**2 for law, each in residuals.items() if np.isfinite(each).all()}
    means = {law: float(each.mean()) for law, each in squares.items()}
    order = sorted(means, key=lambda law: (means[law], COMPLEXITY[law]))
    best = order[0]
    count = len(squares[best])
    weights = resampled(count) / count
    tried = []
    for law in order:
        interval = expanded(weights @ (squares[law] - squares[best]), count)
        tried.append(_tried(law, best, means, interval, count))
    return _decided(tried, count)


def _tried(
    law: LawName, best: LawName, means: Mapping[LawName, float], interval: Range | None, count: int
) -> Tried:
    unit = means[best] or 1.0
    shares = interval and (interval[0] / unit, interval[1] / unit)
    excess = (means[law] - means[best]) / unit
    odds = _odds(means[law], means[best], count)
    standing: Standing = "open"
    if law == best:
        standing, shares = "best", None
    elif odds >= DECISIVE:
        standing = "worse"
    elif odds <= AS_GOOD:
        standing = "as good"
    return Tried(law, math.sqrt(means[law]), excess, shares, odds, standing)


def _odds(mean: float, least: float, count: int) -> float:
    if mean <= least:
        return 0.0
    return (count - COEFFICIENTS) * math.log(mean / least) if least else math.inf


def _decided(tried: Sequence[Tried], models: int) -> Comparison:
    good = [each for each in tried if each.standing in ("best", "as good")]
    chosen = min(good, key=lambda each: COMPLEXITY[each.law])
    rivals = [
        each
        for each in tried
        if each.standing != "worse" and COMPLEXITY[each.law] <= COMPLEXITY[chosen.law]
    ]
    laws = tuple(each.law for each in rivals)
    if len(rivals) == 1:
        return Comparison(tuple(tried), models, "preferred", chosen.law, laws)
    needed = _needed([each.odds for each in rivals if each is not tried[0]], models)
    return Comparison(tuple(tried), models, "not distinguishable", None, laws, needed)


def _needed(odds: Sequence[float], models: int) -> int | None:
    """Models at which the odds against each rival of the best law decide: they grow with them."""
    least = min(odds)
    if least <= 0:
        return None
    return COEFFICIENTS + math.ceil(DECISIVE / least * (models - COEFFICIENTS))
