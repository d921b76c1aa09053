"""Transfer is asymmetric: from A to B is not as from B to A."""

from __future__ import annotations

import math

from harness.api import (
    FEWEST_MODELS,
    Conclusion,
    Evidence,
    Finding,
    Part,
    Rate,
    TransferMatrix,
    beyond,
    too_few,
)
from harness.api.statistics import interval_over_pairs
from harness_su2018.findings.pairs import present
from harness_su2018.findings.transferability import on_ifgsm

NOTABLE = 0.05


class Asymmetric(Finding):
    title = "transfer is asymmetric"
    claim = "the rate from one model to another differs from the rate back"
    source = "Su et al. 2018, section 4.4"
    rule = (
        "for every untargeted I-FGSM panel the interval of the root mean square of rate minus rate"
        f" back lies above {NOTABLE}; what the numbers of images alone would make is taken off"
        f" first (bootstrap over at least {FEWEST_MODELS} models; how large a difference counts is"
        " this check's choice)"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        return on_ifgsm(evidence.matrices, asymmetry)


def asymmetry(matrix: TransferMatrix) -> Part:
    """The typical difference between the two directions of a pair."""
    import numpy as np

    what = matrix.attack.label
    models = present(matrix)
    if len(models) < FEWEST_MODELS:
        return too_few(what, len(models), of="models with transfers")
    squares = np.full((len(models), len(models)), np.nan)
    largest = (0.0, "")
    for row, source in enumerate(models):
        for column, target in enumerate(models):
            there, back = (matrix.cells.get(pair) for pair in ((source, target), (target, source)))
            if source == target or there is None or back is None:
                continue
            gap = _gap(there.rate, back.rate)
            if gap is not None:
                squares[row, column] = gap**2 - _noise(there.rate) - _noise(back.rate)
                largest = max(largest, (gap, f"{source} to {target}"))
    if not np.isfinite(squares).any():
        return too_few(what, 0, 1, "pairs with both directions")
    squared = interval_over_pairs(squares)
    interval = (_root(squared[0]), _root(squared[1])) if squared else None
    figure = (
        f"root mean square difference {_root(float(np.nanmean(squares))):.3f}; the largest,"
        f" {largest[0]:+.3f}, from {largest[1]}"
    )
    return Part(what, beyond(interval, NOTABLE), figure, interval)


def _gap(there: Rate, back: Rate) -> float | None:
    """None where the noise cannot be told, under two images."""
    if there.value is None or back.value is None or min(there.images, back.images) < 2:
        return None
    return there.value - back.value


def _noise(rate: Rate) -> float:
    """The unbiased estimate of a rate's sampling variance."""
    share = rate.hits / rate.images
    return share * (1 - share) / (rate.images - 1)


def _root(square: float) -> float:
    """With the sign of ``square``: less than noise is shown as negative."""
    return math.copysign(math.sqrt(abs(square)), square)
