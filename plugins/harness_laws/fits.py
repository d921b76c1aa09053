"""Laws of robustness over top-1 error, each fitted by least squares on the robustness.

Where models scatter in proportion to their robustness, the squares are of what each is off by in
proportion (`scatter`). The log-linear law is Su et al. 2018, section 4.2. All but the isotonic one
are linear in their coefficients once a single shape, an exponent or a break, is given; the shape is
searched for. That makes leaving a model out a closed form: of a linear fit with leverage h the
residual of a model left out is r / (1 - h), and the sum of squares without it S - r^2 / (1 - h).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from harness.api.statistics import Floats

LawName = Literal["constant", "log-linear", "power", "piecewise", "isotonic"]
LAWS: tuple[LawName, ...] = get_args(LawName)

COMPLEXITY: dict[LawName, int] = {
    "constant": 1,
    "log-linear": 2,
    "power": 2,
    "piecewise": 4,
    "isotonic": 5,
}
"""How much each can bend, in parameters; the isotonic law has no number of them and comes last."""

EXPONENTS: tuple[float, float, int] = (-8.0, 8.0, 321)
"""Of the power law: the range that is searched, and how many values of it."""
BREAKS = 60
"""At most so many places for the break are tried before the best is refined."""
PARABOLA = 3
"""Coefficients of the curve that scatter is in proportion to."""
EVEN = 6.0
"""Twice the logarithm of the odds from which on scatter is even: 20 to 1."""
WHOLE = 1 - 1e-9
"""A model with this leverage or more determines its own fit: without it there is none."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A law with its coefficients.

    Attributes:
        coefficients: by name, such as ``a`` and ``b``; of the isotonic law none.
        at: robustness at top-1 errors in (0, 1].
    """

    law: LawName
    coefficients: dict[str, float]
    at: Callable[[Floats], Floats]


def scatter(errors: Floats, robustness: Floats) -> Floats | None:
    """What each model's scatter is in proportion to; None where it is even.

    It is a parabola over ln(error), of ln(robustness), which has to be positive. Scatter is taken
    for even where that is likelier by `EVEN`: few models do not tell the two apart.

    Args:
        errors, robustness: as in `fit`.
    """
    import numpy as np

    if len(errors) <= PARABOLA or not (robustness > 0).all():
        return None
    design = np.log(errors)[:, None] ** np.arange(PARABOLA)
    values = np.log(robustness)
    smooth = design @ _solved(design, values)
    even = robustness - design @ _solved(design, robustness)
    tiny = np.finfo(float).tiny
    evenly = np.log(max(float((even**2).mean()), tiny)) / 2
    shared = np.log(max(float(((values - smooth) ** 2).mean()), tiny)) / 2
    if 2 * len(errors) * (shared + values.mean() - evenly) > EVEN:
        return None
    proportional: Floats = np.exp(smooth)
    return proportional


def fit(law: LawName, errors: Floats, robustness: Floats, scale: Floats | None = None) -> Fitted:
    """The least-squares fit of a law.

    Args:
        errors: top-1 errors in (0, 1], shape (models,); so ``robustness``, finite.
        scale: the squares are of residuals over this, positive; None: of residuals.
    """
    weights = _weights(errors, scale)
    if law == "isotonic":
        return Fitted(law, {}, _isotonic(errors, robustness, weights))
    shapes = _shapes(law, errors)
    bases = _bases(law, errors, shapes, weights)
    scaled = robustness * weights
    sums = ((scaled - _projected(bases, scaled)) ** 2).sum(axis=1)
    shape = _refined(law, (errors, robustness, weights), shapes, int(sums.argmin()))
    coefficients = _solved(_design(law, errors, shape) * weights[:, None], scaled)
    return Fitted(
        law,
        _named(law, coefficients, shape),
        lambda at: _design(law, at, shape) @ coefficients,
    )


def left_out(
    law: LawName, errors: Floats, robustness: Floats, scale: Floats | None = None
) -> Floats:
    """Each model's robustness minus that of the law fitted to all others; NaN where none can be.

    Args:
        errors, robustness: as in `fit`, of three models or more.
        scale: as in `fit`; the residuals are over it too.
    """
    import numpy as np

    weights = _weights(errors, scale)
    if law == "isotonic":
        return _isotonic_left_out(errors, robustness, weights)
    shapes = _shapes(law, errors)
    bases = _bases(law, errors, shapes, weights)
    leverages = (bases**2).sum(axis=2)
    scaled = robustness * weights
    residuals = scaled - _projected(bases, scaled)
    alone = leverages >= WHOLE
    spare = np.where(alone, np.nan, 1 - leverages)
    without = (residuals**2).sum(axis=1, keepdims=True) - residuals**2 / spare
    best = np.where(alone, np.inf, without).argmin(axis=0)
    each = np.arange(len(errors))
    found: Floats = residuals[best, each] / spare[best, each]
    return found


def _weights(errors: Floats, scale: Floats | None) -> Floats:
    import numpy as np

    weights: Floats = np.ones_like(errors) if scale is None else 1 / scale
    return weights


def _design(law: LawName, errors: Floats, shape: float) -> Floats:
    """(models, coefficients) at a given exponent or break, the latter in ln(error)."""
    import numpy as np

    if law == "power":
        powers: Floats = errors**shape
        return powers[:, None]
    ones, logs = np.ones_like(errors), np.log(errors)
    if law == "constant":
        return ones[:, None]
    if law == "log-linear":
        return np.stack([ones, logs], axis=1)
    return np.stack([ones, logs, np.maximum(logs - shape, 0)], axis=1)


def _shapes(law: LawName, errors: Floats) -> Floats:
    """The exponents or breaks to try; one value for laws that have none.

    Three different accuracies lie on each side of a break or at it: two without any model.
    """
    import numpy as np

    if law == "power":
        low, high, count = EXPONENTS
        return np.linspace(low, high, count)
    if law != "piecewise":
        return np.zeros(1)
    logs = np.unique(np.log(errors))
    inner = logs[2:-2]
    if not len(inner):
        return logs[:1]  # a straight line
    places: Floats = np.union1d(inner, (inner[1:] + inner[:-1]) / 2)
    if len(places) <= BREAKS:
        return places
    spread: Floats = places[np.linspace(0, len(places) - 1, BREAKS).round().astype(int)]
    return spread


def _solved(design: Floats, robustness: Floats) -> Floats:
    import numpy as np

    # Columns of size 1: large exponents make tiny ones.
    scale = np.sqrt((design**2).sum(axis=0))
    scale = np.where(scale > 0, scale, 1)
    coefficients: Floats = np.linalg.lstsq(design / scale, robustness, rcond=None)[0] / scale
    return coefficients


def _bases(law: LawName, errors: Floats, shapes: Floats, weights: Floats) -> Floats:
    """Orthonormal bases (shapes, models, coefficients); 0 for columns that follow from others."""
    import numpy as np

    designs = np.stack([_design(law, errors, shape) for shape in shapes]) * weights[:, None]
    left, sizes, _ = np.linalg.svd(designs, full_matrices=False)
    bases: Floats = left * (sizes > 1e-10 * sizes[:, :1])[:, None, :]
    return bases


def _projected(bases: Floats, robustness: Floats) -> Floats:
    """Fitted values, (shapes, models), of orthonormal bases (shapes, models, coefficients)."""
    import numpy as np

    inner = np.einsum("snc,n->sc", bases, robustness)
    fitted: Floats = np.einsum("snc,sc->sn", bases, inner)
    return fitted


def _refined(law: LawName, data: tuple[Floats, Floats, Floats], shapes: Floats, best: int) -> float:
    """The best shape between the neighbours of the best one tried.

    Args:
        data: errors, robustness and weights.
    """
    if len(shapes) == 1:
        return float(shapes[0])
    from scipy.optimize import minimize_scalar  # half a second: not where no shape is searched

    errors, robustness, weights = data
    low, high = float(shapes[max(best - 1, 0)]), float(shapes[min(best + 1, len(shapes) - 1)])

    def lost(shape: float) -> float:
        design = _design(law, errors, shape) * weights[:, None]
        residuals = robustness * weights - design @ _solved(design, robustness * weights)
        return float(residuals @ residuals)

    found = minimize_scalar(lost, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    start = float(shapes[best])
    return float(found.x) if found.fun <= lost(start) else start


def _named(law: LawName, coefficients: Floats, shape: float) -> dict[str, float]:
    values = [float(each) for each in coefficients]
    if law == "power":
        return {"c": values[0], "p": shape}
    if law == "piecewise":
        return {"a": values[0], "b": values[1], "bend": values[2], "break": shape}
    return dict(zip("ab", values, strict=False))


def _isotonic(errors: Floats, robustness: Floats, weights: Floats) -> Callable[[Floats], Floats]:
    """The rising or the falling one, whichever is closer; between models it is a line in ln(error).

    Outside their errors it stays what it is at the outermost.
    """
    import numpy as np
    from scipy.optimize import isotonic_regression

    places, which = np.unique(np.log(errors), return_inverse=True)
    counts = np.bincount(which, weights=weights**2)
    means = np.bincount(which, weights=weights**2 * robustness) / counts
    both = [isotonic_regression(means, weights=counts, increasing=up).x for up in (True, False)]
    levels = min(both, key=lambda found: float(counts @ (means - found) ** 2))
    return lambda at: np.interp(np.log(at), places, levels)


def _isotonic_left_out(errors: Floats, robustness: Floats, weights: Floats) -> Floats:
    import numpy as np

    found = np.empty_like(robustness)
    for left in range(len(errors)):
        rest = np.arange(len(errors)) != left
        law = _isotonic(errors[rest], robustness[rest], weights[rest])
        found[left] = robustness[left] - law(errors[left : left + 1])[0]
    return found * weights
