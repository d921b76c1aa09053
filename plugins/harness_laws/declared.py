"""Whether models of different declared training follow different curves of robustness.

Every model on a parabola over ln(top-1 error), against the same parabola with a height and a slope
for each regime. How much closer the latter lies is compared with what chance makes: residuals from
the common curve are permuted, and both are fitted again (Freedman and Lane 1983, Journal of
Business and Economic Statistics 1:4). Regimes may differ in accuracy: the models keep theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.api.statistics import REPLICATES, SEED, p_value

if TYPE_CHECKING:
    from harness.api.statistics import Floats

FEWEST_EACH = 3
"""Models of a regime that is compared."""
FEWEST = 8
"""Models of the regimes together."""


@dataclass(frozen=True, slots=True)
class Declared:
    """Declared regimes against each other.

    Attributes:
        regimes: the models of each that was compared.
        left_out: regimes of too few models.
        p: of the permutation; None where there are not two regimes, or too few models.
    """

    regimes: dict[str, int]
    left_out: tuple[str, ...]
    p: float | None


def declared(errors: Floats, robustness: Floats, labels: Sequence[str]) -> Declared:
    """Do the labels matter?

    Args:
        errors: top-1 errors in (0, 1], shape (models,); so ``robustness``, finite, and ``labels``.
    """
    import numpy as np

    counts = {label: labels.count(label) for label in dict.fromkeys(labels)}
    kept = {label: count for label, count in counts.items() if count >= FEWEST_EACH}
    left_out = tuple(label for label in counts if label not in kept)
    there = np.array([label in kept for label in labels], dtype=bool)
    if len(kept) < 2 or there.sum() < FEWEST:
        return Declared(kept, left_out, None)
    own = [label for label in labels if label in kept]
    p = _permuted(np.log(errors[there]), _even(robustness[there]), own)
    return Declared(kept, left_out, p)


def _even(robustness: Floats) -> Floats:
    """Positive values in logarithms: scatter in proportion becomes even."""
    import numpy as np

    return np.log(robustness) if (robustness > 0).all() else robustness


def _permuted(logs: Floats, values: Floats, labels: Sequence[str]) -> float:
    import numpy as np

    logs = logs - logs.mean()
    common = np.stack([np.ones_like(logs), logs, logs**2], axis=1)
    members = [np.array([each == label for each in labels]) for label in dict.fromkeys(labels)]
    # One regime is what the others differ from.
    own = [column for member in members[1:] for column in (member * 1.0, member * logs)]
    pooled, apart = _basis(common), _basis(np.column_stack([common, *own]))
    fitted = pooled @ (pooled.T @ values)
    residuals = values - fitted
    random = np.random.default_rng(SEED)
    chance = fitted + random.permuted(np.tile(residuals, (REPLICATES, 1)), axis=1)
    shares = _shares(np.vstack([values, chance]), pooled, apart)
    return p_value(float(shares[0]), shares[1:].tolist())


def _basis(design: Floats) -> Floats:
    """An orthonormal basis of the columns; of those that depend on each other one."""
    import numpy as np

    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    basis: Floats = left[:, sizes > 1e-10 * sizes[0]]
    return basis


def _shares(values: Floats, pooled: Floats, apart: Floats) -> Floats:
    """By how much the residual sum of squares is smaller apart, as a share of what stays."""
    import numpy as np

    def left(basis: Floats) -> Floats:
        sums: Floats = (values**2).sum(axis=1) - ((values @ basis) ** 2).sum(axis=1)
        return np.maximum(sums, 1e-300)

    return (left(pooled) - left(apart)) / left(apart)
