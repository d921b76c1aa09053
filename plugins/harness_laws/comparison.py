"""Which law predicts a model best that it was not fitted to, and whether the data can tell.

Each model is left out in turn; of a frontier the Pareto-optimal models are chosen anew among the
others, because a member that is left out may let models in that it beat. The intervals are of the
mean difference of squared errors from the best law, by a bootstrap over models.

The best law has the smallest error. Another is *worse* where the interval lies above 0, *as good*
where it includes 0 and ends below a `MARGIN` of the best law's error, else *open*. Preferred is the
simplest law that is the best or as good, if every other one that is as simple is worse. So a law
that bends more has to predict better, and few models end in "not distinguishable".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.api.frontier import Point, pareto
from harness.api.statistics import Range, expanded, resampled
from harness_laws.fits import COMPLEXITY, LAWS, LawName, fit, left_out

if TYPE_CHECKING:
    from harness.api.statistics import Floats

FEWEST = 8
"""Models that a law has to predict; below, no comparison is made."""
MARGIN = 0.25
"""Of the best law's mean squared error: so much more is as good, if the law is simpler."""
POWERED = 1.96 + 0.84
"""Standard errors that a difference has to be, to be found four times in five at 95%."""

Standing = Literal["best", "as good", "open", "worse"]
Decision = Literal["preferred", "not distinguishable", "not enough data"]


@dataclass(frozen=True, slots=True)
class Tried:
    """A law on trial.

    Attributes:
        error: root mean squared error in predicting a model left out.
        excess: the mean squared error above the best law's, and its 95% interval, both as shares
            of the best law's.
    """

    law: LawName
    error: float
    excess: float
    interval: Range | None
    standing: Standing


@dataclass(frozen=True, slots=True)
class Comparison:
    """The laws on trial, the smallest error first.

    Attributes:
        models: that were left out, each in turn.
        preferred: None unless one is.
        needed: about so many models would tell the simplest candidates apart, were the differences
            to stay; None where they do not differ, or it is decided.
    """

    tried: tuple[Tried, ...]
    models: int
    decision: Decision
    preferred: LawName | None = None
    candidates: tuple[LawName, ...] = ()
    needed: int | None = None


def compare(points: Sequence[Point]) -> Comparison:
    """The laws of all models."""
    if len(points) < FEWEST:
        return Comparison((), len(points), "not enough data", needed=FEWEST)
    errors, robustness = arrays(points)
    return judged({law: _rounded(left_out(law, errors, robustness), robustness) for law in LAWS})


def compare_frontier(points: Sequence[Point]) -> Comparison:
    """The laws of the Pareto-optimal models among ``points``."""
    import numpy as np

    able = [point for point in points if point.excluded is None]
    members = pareto(able)
    if len(members) < FEWEST:
        return Comparison((), len(members), "not enough data", needed=FEWEST)
    found: dict[LawName, list[float]] = {law: [] for law in LAWS}
    for member in members:
        errors, robustness = arrays(pareto([point for point in able if point is not member]))
        at = np.array([member.error])
        for law in LAWS:
            found[law].append(member.robustness - float(fit(law, errors, robustness).at(at)[0]))
    _, robustness = arrays(members)
    return judged({law: _rounded(np.array(each), robustness) for law, each in found.items()})


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
        tried.append(_tried(law, best, means, interval))
    return _decided(tried, squares)


def _tried(
    law: LawName, best: LawName, means: Mapping[LawName, float], interval: Range | None
) -> Tried:
    unit = means[best] or 1.0
    shares = interval and (interval[0] / unit, interval[1] / unit)
    excess = (means[law] - means[best]) / unit
    standing: Standing = "open"
    if law == best:
        standing, shares = "best", None
    elif shares is not None and shares[0] > 0:
        standing = "worse"
    elif shares is not None and shares[1] <= MARGIN:
        standing = "as good"
    return Tried(law, math.sqrt(means[law]), excess, shares, standing)


def _decided(tried: Sequence[Tried], squares: Mapping[LawName, Floats]) -> Comparison:
    good = [each for each in tried if each.standing in ("best", "as good")]
    chosen = min(good, key=lambda each: COMPLEXITY[each.law])
    rivals = [
        each
        for each in tried
        if each.standing != "worse" and COMPLEXITY[each.law] <= COMPLEXITY[chosen.law]
    ]
    laws = tuple(each.law for each in rivals)
    models = len(squares[chosen.law])
    if len(rivals) == 1:
        return Comparison(tuple(tried), models, "preferred", chosen.law, laws)
    needed = _needed(squares[tried[0].law], [squares[law] for law in laws if law != tried[0].law])
    return Comparison(tuple(tried), models, "not distinguishable", None, laws, needed)


def _needed(best: Floats, rivals: Sequence[Floats]) -> int | None:
    """Models at which each rival's mean difference would be found four times in five."""
    counts = []
    for rival in rivals:
        gaps = rival - best
        mean, spread = float(gaps.mean()), float(gaps.std(ddof=1))
        if mean <= 0:
            return None
        counts.append(math.ceil((POWERED * spread / mean) ** 2))
    return max(counts, default=None)
