"""Within a family examples transfer better than from other families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.api import (
    FEWEST_MODELS,
    Conclusion,
    Evidence,
    Finding,
    Part,
    TransferMatrix,
    beyond,
    too_few,
)
from harness.api.statistics import expanded, p_value, resampled, shuffled
from harness_su2018.findings.pairs import present, rates
from harness_su2018.findings.transferability import on_ifgsm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.api.statistics import Floats


class WithinFamily(Finding):
    title = "transfer within a family"
    claim = (
        "examples transfer better to models of the source's family than to others: near 100% for"
        " I-FGSM"
    )
    source = "Su et al. 2018, abstract and section 4.4"
    rule = (
        "for every untargeted I-FGSM panel the interval of the excess lies above 0: the mean over"
        " the pairs within families of the rate minus what the source's and the target's mean"
        " rates outside their family would add up to, so that a strong source or a weak target is"
        f" not taken for kinship (bootstrap over at least {FEWEST_MODELS} models); the permutation"
        " of the families over the models and the rate within families do not decide"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        return on_ifgsm(evidence.matrices, difference)


def difference(matrix: TransferMatrix) -> Part:
    """Within families, beyond what source and target explain."""
    import numpy as np

    what = matrix.attack.label
    models = [model for model in present(matrix) if matrix.families.get(model)]
    if len(models) < FEWEST_MODELS:
        return too_few(what, len(models), of="models with transfers and a family")
    table, kin = rates(matrix, models), _kin(matrix.families, models)
    excess = _excess(table, kin, np.ones((1, len(models))))[0]
    if np.isnan(excess):
        return Part(what, "not enough data", "no family with two models, or a single one")
    interval = expanded(_excess(table, kin, resampled(len(models))), len(models))
    everyone = np.ones((1, len(models)))
    chance = [
        float(_excess(table, kin[np.ix_(order, order)], everyone)[0])
        for order in shuffled(len(models))
    ]
    figure = (
        f"within {np.nanmean(table[kin]):.3f}, across {np.nanmean(table[~kin]):.3f}, excess"
        f" {excess:+.3f}, permutation p = {p_value(excess, chance):.4f}"
    )
    return Part(what, beyond(interval), figure, interval)


def _kin(families: Mapping[str, str | None], models: Sequence[str]) -> NDArray[np.bool_]:
    """(source, target): whether they are of one family."""
    import numpy as np

    names = np.asarray([families[model] for model in models])
    kin: NDArray[np.bool_] = names[:, None] == names[None, :]
    return kin


def _excess(table: Floats, kin: NDArray[np.bool_], weights: Floats) -> Floats:
    """The excess under each row of model weights (samples, models); NaN where something lacks."""
    import numpy as np

    rates = np.nan_to_num(table)
    there = np.isfinite(table)
    within, across = (there & kin).astype(np.float64), (there & ~kin).astype(np.float64)

    def over_pairs(pairs: Floats) -> Floats:
        total: Floats = ((weights @ pairs) * weights).sum(axis=1)
        return total

    with np.errstate(invalid="ignore", divide="ignore"):
        of_source = (weights @ (across * rates).T) / (weights @ across.T)
        of_target = (weights @ (across * rates)) / (weights @ across)
        level = over_pairs(across * rates) / over_pairs(across)
        # A model that the sample has no stranger of must not turn others' sums into NaN.
        explained = _products(weights, of_source, weights @ within.T)
        explained += _products(weights, of_target, weights @ within)
        pairs = over_pairs(within)
        return (over_pairs(within * rates) - explained) / pairs + level


def _products(weights: Floats, means: Floats, partners: Floats) -> Floats:
    """Sum of the models' means, each as often as it has partners in its family."""
    import numpy as np

    times = weights * partners
    total: Floats = np.where(times > 0, times * means, 0.0).sum(axis=1)
    return total
