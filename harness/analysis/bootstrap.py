"""Bootstrap intervals of frontier residuals: images are resampled, models stay paired.

Each replicate draws as many images as there are, the same ones for all models, and selects and fits
the frontier anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.analysis.frontier import FEWEST_FOR_FIT
from harness.analysis.statistics import Range, quantiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.analysis.frontier import Fit
    from harness.analysis.statistics import Floats

REPLICATES = 1000
FEWEST_SHARE = 0.5
"""Below this share of replicates with a residual there is no interval."""
BLOCK = 4_000_000
"""Image weights in memory at once."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One model's images by id.

    Attributes:
        right: whether it classifies each correctly; without those that have no prediction.
        values: distortions of broken images, or scores of measured ones.
        accuracy: top-1 in [0, 1] to use instead of ``right``, such as a published one.
    """

    right: Mapping[int, bool]
    values: Mapping[int, float]
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """One model over the replicates.

    Attributes:
        distance: the 95% interval of its frontier residual; None where fewer than half of the
            replicates have one.
        on_frontier: the share of replicates in which it was Pareto-optimal.
    """

    distance: Range | None
    on_frontier: float


@dataclass(frozen=True, slots=True)
class Intervals:
    """The spread of a leaderboard's numbers over the replicates.

    Attributes:
        fits: the replicates with a fit.
        a, b: 95% intervals of the fit's; None where fewer than half have a fit, or it is given.
        spreads: by model.
    """

    replicates: int
    fits: int
    a: Range | None
    b: Range | None
    spreads: Mapping[str, Spread]


def intervals(
    samples: Mapping[str, Sample],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
    fit: Fit | None = None,
) -> Intervals:
    """The intervals of models, each with an accuracy and at least one value.

    Args:
        fit: a given fit to measure residuals from; None: each replicate's own.
    """
    if not samples:
        return Intervals(replicates=replicates, fits=0, a=None, b=None, spreads={})
    import numpy as np

    images = Images.of(samples)
    distances, members, fits = [], [], []
    for weights in _weights(len(images.ids), replicates, seed):
        drawn = _replicates(images, weights)
        optimal = _pareto(drawn)
        lines = _lines(drawn, optimal) if fit is None else np.array([[fit.a, fit.b]])
        distances.append(drawn.robustness - lines[:, :1] - lines[:, 1:] * drawn.logs)
        members.append(optimal)
        fits.append(lines)
    distance, member = np.concatenate(distances), np.concatenate(members)
    line = np.concatenate(fits)
    return Intervals(
        replicates=replicates,
        fits=replicates if fit else int(np.isfinite(line[:, 0]).sum()),
        a=None if fit else _range(line[:, 0]),
        b=None if fit else _range(line[:, 1]),
        spreads={
            name: Spread(_range(distance[:, column]), float(member[:, column].mean()))
            for column, name in enumerate(samples)
        },
    )


@dataclass(frozen=True, slots=True)
class Images:
    """The samples as matrices (images, models): 1 and 0, and values with 0 where there is none."""

    ids: list[int]
    known: Floats
    right: Floats
    has: Floats
    values: Floats
    fixed: Floats

    @classmethod
    def of(cls, samples: Mapping[str, Sample]) -> Images:
        import numpy as np

        rows = samples.values()
        ids = sorted(set().union(*(row.right.keys() | row.values.keys() for row in rows)))
        place = {image: index for index, image in enumerate(ids)}
        known, right, has, values = np.zeros((4, len(ids), len(samples)))
        for column, row in enumerate(rows):
            predicted = [place[image] for image in row.right]
            known[predicted, column] = 1
            right[predicted, column] = list(row.right.values())
            valued = [place[image] for image in row.values]
            has[valued, column] = 1
            values[valued, column] = list(row.values.values())
        fixed = [np.nan if row.accuracy is None else row.accuracy for row in rows]
        return cls(ids, known, right, has, values, np.array(fixed))


@dataclass(frozen=True, slots=True)
class _Replicates:
    """Replicates of a leaderboard, each (replicates, models); NaN where a model has no point.

    Attributes:
        logs: ln(1 - accuracy), zero errors counted as a half.
    """

    accuracy: Floats
    logs: Floats
    robustness: Floats


def _weights(images: int, replicates: int, seed: int) -> Iterator[Floats]:
    """How often each replicate draws each image, (replicates of a block, images)."""
    import numpy as np

    random = np.random.default_rng(seed)
    block = max(1, BLOCK // images)
    for start in range(0, replicates, block):
        rows = min(block, replicates - start)
        drawn = random.integers(images, size=(rows, images))
        flat = drawn + images * np.arange(rows)[:, None]
        counts = np.bincount(flat.ravel(), minlength=rows * images)
        yield counts.reshape(rows, images).astype(np.float64)


def _replicates(images: Images, weights: Floats) -> _Replicates:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        seen, correct = weights @ images.known, weights @ images.right
        errors = np.maximum(seen - correct, 0.5) / seen
        missed = 1 - images.fixed
        published = np.where(missed == 0, 0.005, missed)  # half an error in 100, as in `Point`
        given = np.isfinite(images.fixed)
        accuracy = np.where(given, images.fixed, correct / seen)
        logs = np.log(np.where(given, published, errors))
        robustness = (weights @ images.values) / (weights @ images.has)
    nowhere = ~(np.isfinite(logs) & np.isfinite(robustness))
    return _Replicates(*(np.where(nowhere, np.nan, each) for each in (accuracy, logs, robustness)))


def _pareto(drawn: _Replicates) -> NDArray[np.bool_]:
    """Which models no other model beats, (replicates, models)."""
    import numpy as np

    x, y = drawn.accuracy[:, :, None], drawn.robustness[:, :, None]
    other_x, other_y = drawn.accuracy[:, None, :], drawn.robustness[:, None, :]
    beaten = (other_x >= x) & (other_y >= y) & ((other_x > x) | (other_y > y))
    optimal: NDArray[np.bool_] = ~beaten.any(axis=2) & np.isfinite(drawn.robustness)
    return optimal


def _lines(drawn: _Replicates, members: NDArray[np.bool_]) -> Floats:
    """Each replicate's least-squares (a, b), (replicates, 2); NaN where no fit is possible."""
    import numpy as np

    count = members.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = (
            np.where(members, each, 0).sum(axis=1) / count
            for each in (drawn.logs, drawn.robustness)
        )
        across = np.where(members, drawn.logs - x[:, None], 0)
        b = (across * np.where(members, drawn.robustness, 0)).sum(axis=1) / (across**2).sum(axis=1)
    lines = np.stack([y - b * x, b], axis=1)
    flat = _equal(drawn.accuracy, members) | _equal(drawn.logs, members)
    lines[(count < FEWEST_FOR_FIT) | flat] = np.nan
    return lines


def _equal(values: Floats, members: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the members of a replicate all have the same value."""
    import numpy as np

    low = np.where(members, values, np.inf).min(axis=1)
    high = np.where(members, values, -np.inf).max(axis=1)
    equal: NDArray[np.bool_] = low >= high
    return equal


def _range(values: Floats) -> Range | None:
    """The percentile interval of a number over the replicates, NaN left out."""
    import numpy as np

    finite = values[np.isfinite(values)]
    if len(finite) < FEWEST_SHARE * len(values) or not len(finite):
        return None
    return quantiles(finite)
