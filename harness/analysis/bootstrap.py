"""Bootstrap intervals of frontier residuals: images are resampled, models stay paired.

Each replicate draws as many images as there are, the same ones for all models, and selects and fits
the frontier anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.api.frontier import FEWEST_FOR_FIT
from harness.api.paired import Images, Sample
from harness.api.statistics import Range, quantiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.api.frontier import Fit
    from harness.api.statistics import Floats

REPLICATES = 1000
FEWEST_SHARE = 0.5
"""Below this share of replicates with a residual there is no interval."""
BLOCK = 4_000_000
"""Image weights in memory at once."""


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
    outside: Collection[str] = (),
    steps: bool = False,
) -> Intervals:
    """The intervals of models, each with an accuracy and at least one value.

    Args:
        outside: the models that the frontier may not go through; see `membership`.
        fit: a given fit to measure residuals from; None: each replicate's own.
        steps: residuals are from the frontier's steps, which have no fit.
    """
    if not samples:
        return Intervals(replicates=replicates, fits=0, a=None, b=None, spreads={})
    import numpy as np

    images = Images.of(samples)
    able = np.array([name not in outside for name in samples])
    distances, members, fits = [], [], []
    for weights in _weights(len(images.ids), replicates, seed):
        drawn = _replicates(images, weights)
        optimal = _pareto(drawn, able)
        members.append(optimal)
        if steps:
            distances.append(_behind(drawn, optimal))
            fits.append(np.full((len(weights), 2), np.nan))
            continue
        lines = _lines(drawn, optimal) if fit is None else np.array([[fit.a, fit.b]])
        distances.append(drawn.robustness - lines[:, :1] - lines[:, 1:] * drawn.logs)
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


def _pareto(drawn: _Replicates, able: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the models that are ``able`` to be members no other beats, (replicates, models)."""
    import numpy as np

    above, along = _most(drawn, np.isfinite(drawn.robustness) & able)
    beaten = (above >= drawn.robustness) | (along > drawn.robustness)
    optimal: NDArray[np.bool_] = ~beaten & np.isfinite(drawn.robustness) & able
    return optimal


def _most(drawn: _Replicates, among: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The largest robustness ``among`` the models that are more accurate than each model, and among
    those at least as accurate, (replicates, models) each; -inf where there is none."""
    import numpy as np

    order = np.argsort(np.where(np.isnan(drawn.accuracy), np.inf, -drawn.accuracy), axis=1)
    accuracy = np.take_along_axis(drawn.accuracy, order, axis=1)
    most = np.take_along_axis(np.where(among, drawn.robustness, -np.inf), order, axis=1)
    most = np.maximum.accumulate(most, axis=1)
    columns = np.arange(accuracy.shape[1])
    begins = np.ones_like(accuracy, dtype=bool)
    begins[:, 1:] = accuracy[:, 1:] != accuracy[:, :-1]
    first = np.maximum.accumulate(np.where(begins, columns, 0), axis=1)
    ends = np.roll(begins, -1, axis=1)[:, ::-1]  # the model after it is less accurate
    last = np.minimum.accumulate(np.where(ends, columns[::-1], columns[-1]), axis=1)[:, ::-1]
    found = []
    for places in (first - 1, last):
        values = np.take_along_axis(most, np.maximum(places, 0), axis=1)
        values = np.where(places < 0, -np.inf, values)
        back = np.empty_like(values)
        np.put_along_axis(back, order, values, axis=1)
        found.append(back)
    return found[0], found[1]


def _behind(drawn: _Replicates, members: NDArray[np.bool_]) -> Floats:
    """Robustness minus the members' most at the accuracy or above, (replicates, models)."""
    import numpy as np

    _, step = _most(drawn, members)
    behind: Floats = np.where(np.isfinite(step), drawn.robustness - step, np.nan)
    return behind


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
