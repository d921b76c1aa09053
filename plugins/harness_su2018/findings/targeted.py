"""Targeted transfer: how often the target is among a model's five likeliest classes."""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from harness.api import (
    FEWEST_MODELS,
    Conclusion,
    Evidence,
    Finding,
    Part,
    TransferMatrix,
    below,
    conclude,
    too_few,
)
from harness.api.statistics import interval_over_pairs
from harness_su2018.findings.families import difference
from harness_su2018.findings.pairs import notes, present, rates, transfers_better
from harness_su2018.findings.transferability import RULE, fixed, steps_of

if TYPE_CHECKING:
    from harness.api.statistics import Floats

SELDOM = 0.1
RARE = 20
"""So many times k classes at least: of fewer, k are reached by chance."""

LACKING = "transfers with a targeted goal"


class Seldom(Finding):
    title = "targets seldom transfer across families"
    claim = (
        "a targeted example of a white-box attack seldom brings its target among the five likeliest"
        " classes of a model of another family"
    )
    source = "Su et al. 2018, section 4.4: top-5 matching rates"
    rule = (
        "for every targeted panel the interval of the mean top-5 matching rate over the pairs of"
        f" models of different families lies under {SELDOM:.0%} (bootstrap over at least"
        f" {FEWEST_MODELS} models); where seldom ends is a choice of this check; of fewer than"
        f" {RARE * 5} classes, five are too many to say"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        count = len(evidence.classes) or 1 + max(evidence.labels.values(), default=0)
        parts = [seldom(matrix, count) for matrix in evidence.targeted]
        return conclude(parts, *notes(evidence.targeted), lacking=LACKING)


def seldom(matrix: TransferMatrix, classes: int) -> Part:
    """Whether one panel's examples seldom reach their targets on other families."""
    import numpy as np

    what = f"{matrix.attack.label}, {matrix.goal}"
    if classes < RARE * matrix.k:
        return too_few(what, classes, RARE * matrix.k, "classes")
    models = [model for model in present(matrix) if matrix.families.get(model)]
    if len(models) < FEWEST_MODELS:
        return too_few(what, len(models), of="models with transfers and a family")
    table = _across(matrix, models)
    if not np.isfinite(table).any():
        return Part(what, "not enough data", "no pair of models of two families")
    interval = interval_over_pairs(table)
    figure = f"{np.nanmean(table):.4f} over {np.isfinite(table).sum()} pairs"
    return Part(what, below(interval, SELDOM), figure, interval)


def _across(matrix: TransferMatrix, models: list[str]) -> Floats:
    """(source, target); NaN within families and where there is no rate."""
    import numpy as np

    table = rates(matrix, models)
    names = np.asarray([matrix.families[model] for model in models])
    table[names[:, None] == names[None, :]] = np.nan
    return table


class TargetedFamily(Finding):
    title = "targeted transfer within a family"
    claim = "targeted I-FGSM examples transfer better to models of the source's family than others"
    source = "Su et al. 2018, section 4.4"
    rule = (
        "for every targeted I-FGSM panel the interval of the excess within families lies above 0,"
        " as for untargeted ones (transfer-within-family)"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        panels = fixed(evidence.targeted, "ifgsm")
        lacking = "targeted transfers of I-FGSM at a fixed epsilon"
        return conclude([difference(each) for each in panels], *notes(panels), lacking=lacking)


class TargetedEpsilon(Finding):
    title = "larger epsilon transfers targets better"
    claim = "the larger epsilon, the better I-FGSM's targeted examples transfer"
    source = "Su et al. 2018, section 4.4"
    rule = RULE

    def check(self, evidence: Evidence) -> Conclusion:
        ordered = sorted(fixed(evidence.targeted, "ifgsm"), key=_kind)
        parts = []
        for (goal, _), group in groupby(ordered, key=_kind):
            parts += [
                transfers_better(
                    f"{larger.attack.label} above {smaller.attack.label}, {goal}", larger, smaller
                )
                for smaller, larger in pairwise(group)
            ]
        lacking = "targeted transfers of I-FGSM at two or more epsilons"
        return conclude(parts, *notes(evidence.targeted), lacking=lacking)


def _kind(matrix: TransferMatrix) -> tuple[str, float]:
    return matrix.goal, steps_of(matrix)
