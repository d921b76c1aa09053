"""Which attacks transfer better: their order, larger epsilon, fewer iterations. All untargeted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby, pairwise

from harness.api import (
    FEWEST_MODELS,
    Conclusion,
    Evidence,
    Finding,
    Part,
    TransferMatrix,
    conclude,
)
from harness_su2018.findings.pairs import notes, transfers_better
from harness_su2018.findings.parameters import kappa, steps

RULE = (
    "for every comparison the interval of the difference of the mean off-diagonal rates, over the"
    f" common ordered pairs, lies above 0 (bootstrap over at least {FEWEST_MODELS} models)"
)

CHAIN = ("I-FGSM above EAD", "EAD above C&W")


class Order(Finding):
    """FGSM and I-FGSM are compared at equal epsilons, at I-FGSM's fewest steps.

    The smallest epsilon of I-FGSM is compared with EAD; EAD and C&W are at their smallest kappas.
    """

    title = "FGSM transfers best, then I-FGSM, EAD-L1, C&W"
    claim = (
        "untargeted examples of FGSM transfer at least as well as I-FGSM's, these as EAD-L1's,"
        " these as C&W's"
    )
    source = "Su et al. 2018, section 4.4"
    rule = RULE

    def check(self, evidence: Evidence) -> Conclusion:
        matrices = evidence.matrices
        fgsm = {matrix.attack.budget: matrix for matrix in fixed(matrices, "fgsm")}
        ifgsm: dict[float | None, TransferMatrix] = {}
        for matrix in fixed(matrices, "ifgsm"):
            ifgsm.setdefault(matrix.attack.budget, matrix)
        parts = [_compare(fgsm[epsilon], ifgsm[epsilon]) for epsilon in fgsm if epsilon in ifgsm]
        if not parts:
            parts.append(Part("FGSM above I-FGSM", "not enough data", "no common epsilon"))
        chain = [next(iter(ifgsm.values()), None), _least(matrices, "ead"), _least(matrices, "cw")]
        for names, (one, other) in zip(CHAIN, pairwise(chain), strict=True):
            part = Part(names, "not enough data", "transfers are missing")
            parts.append(_compare(one, other) if one and other else part)
        return conclude(parts, *notes(matrices), lacking="untargeted transfers")


def _least(matrices: Iterable[TransferMatrix], name: str) -> TransferMatrix | None:
    """The attack's panel at its smallest kappa."""
    found = [matrix for matrix in matrices if matrix.attack.name == name]
    return min(found, key=lambda matrix: kappa(matrix.attack), default=None)


class LargerEpsilon(Finding):
    title = "larger epsilon transfers better"
    claim = "the larger epsilon, the better FGSM's and I-FGSM's untargeted examples transfer"
    source = "Su et al. 2018, section 4.4"
    rule = RULE

    def check(self, evidence: Evidence) -> Conclusion:
        parts = []
        for name in ("fgsm", "ifgsm"):
            ordered = sorted(fixed(evidence.matrices, name), key=steps_of)
            for _, group in groupby(ordered, key=steps_of):
                parts += [_compare(larger, smaller) for smaller, larger in pairwise(group)]
        return conclude(
            parts,
            *notes(evidence.matrices),
            lacking="untargeted transfers of FGSM or I-FGSM at two or more epsilons",
        )


class FewerIterations(Finding):
    title = "fewer iterations transfer better"
    claim = (
        "the fewer the iterations at equal epsilon, the better I-FGSM's untargeted examples"
        " transfer"
    )
    source = "Su et al. 2018, section 4.4"
    rule = RULE

    def check(self, evidence: Evidence) -> Conclusion:
        parts = []
        for _, group in groupby(fixed(evidence.matrices, "ifgsm"), key=_epsilon):
            parts += [_compare(fewer, more) for fewer, more in pairwise(group)]
        return conclude(
            parts,
            *notes(evidence.matrices),
            lacking="untargeted transfers of I-FGSM at one epsilon and two or more numbers of"
            " steps",
        )


def fixed(matrices: Iterable[TransferMatrix], name: str) -> list[TransferMatrix]:
    """The panels of an attack at fixed budgets, by rising epsilon and steps."""
    found = [
        matrix
        for matrix in matrices
        if matrix.attack.name == name and matrix.attack.budget is not None
    ]
    return sorted(found, key=lambda matrix: (_epsilon(matrix), steps_of(matrix)))


def on_ifgsm(
    matrices: Iterable[TransferMatrix], part: Callable[[TransferMatrix], Part]
) -> Conclusion:
    """The claim on each panel of I-FGSM at a fixed epsilon: ``part`` decides about one."""
    panels = fixed(matrices, "ifgsm")
    return conclude(
        [part(matrix) for matrix in panels],
        *notes(panels),
        lacking="untargeted transfers of I-FGSM at a fixed epsilon",
    )


def _epsilon(matrix: TransferMatrix) -> float:
    return matrix.attack.budget or 0.0


def steps_of(matrix: TransferMatrix) -> float:
    return steps(matrix.attack)


def _compare(better: TransferMatrix, worse: TransferMatrix) -> Part:
    what = f"{better.attack.label} above {worse.attack.label}"
    return transfers_better(what, better, worse)
