"""Which attacks transfer better: their order, larger epsilon, fewer iterations. All untargeted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise

from harness.analysis.findings.evidence import kappa, steps
from harness.analysis.findings.pairs import notes, transfers_better
from harness.analysis.findings.verdicts import FEWEST_MODELS, Claim, Finding, Part, conclude
from harness.analysis.transfer.matrix import Matrix

RULE = (
    "for every comparison the interval of the difference of the mean off-diagonal rates, over the"
    f" common ordered pairs, lies above 0 (bootstrap over at least {FEWEST_MODELS} models)"
)

ORDER = Claim(
    "transfer-order",
    "FGSM transfers best, then I-FGSM, EAD-L1, C&W",
    "untargeted examples of FGSM transfer at least as well as I-FGSM's, these as EAD-L1's, these as"
    " C&W's",
    "Su et al. 2018, section 4.4",
    RULE,
)

CHAIN = ("I-FGSM above EAD", "EAD above C&W")

EPSILON = Claim(
    "transfer-epsilon",
    "larger epsilon transfers better",
    "the larger epsilon, the better FGSM's and I-FGSM's untargeted examples transfer",
    "Su et al. 2018, section 4.4",
    RULE,
)

ITERATIONS = Claim(
    "transfer-iterations",
    "fewer iterations transfer better",
    "the fewer the iterations at equal epsilon, the better I-FGSM's untargeted examples transfer",
    "Su et al. 2018, section 4.4",
    RULE,
)


def order(matrices: Sequence[Matrix]) -> Finding:
    """FGSM and I-FGSM are compared at equal epsilons, at I-FGSM's fewest steps.

    The smallest epsilon of I-FGSM is compared with EAD; EAD and C&W are at their smallest kappas.
    """
    fgsm = {matrix.attack.budget: matrix for matrix in fixed(matrices, "fgsm")}
    ifgsm: dict[float | None, Matrix] = {}
    for matrix in fixed(matrices, "ifgsm"):
        ifgsm.setdefault(matrix.attack.budget, matrix)
    parts = [_compare(fgsm[epsilon], ifgsm[epsilon]) for epsilon in fgsm if epsilon in ifgsm]
    if not parts:
        parts.append(Part("FGSM above I-FGSM", "not enough data", "no common epsilon"))
    chain = [next(iter(ifgsm.values()), None), _least(matrices, "ead"), _least(matrices, "cw")]
    for names, (one, other) in zip(CHAIN, pairwise(chain), strict=True):
        part = Part(names, "not enough data", "transfers are missing")
        parts.append(_compare(one, other) if one and other else part)
    return conclude(ORDER, parts, *notes(matrices), lacking="untargeted transfers")


def _least(matrices: Iterable[Matrix], name: str) -> Matrix | None:
    """The attack's panel at its smallest kappa."""
    found = [matrix for matrix in matrices if matrix.attack.name == name]
    return min(found, key=lambda matrix: kappa(matrix.attack), default=None)


def larger_epsilon(matrices: Sequence[Matrix]) -> Finding:
    parts = []
    for name in ("fgsm", "ifgsm"):
        ordered = sorted(fixed(matrices, name), key=_steps)
        for _, group in groupby(ordered, key=_steps):
            parts += [_compare(larger, smaller) for smaller, larger in pairwise(group)]
    return conclude(
        EPSILON,
        parts,
        *notes(matrices),
        lacking="untargeted transfers of FGSM or I-FGSM at two or more epsilons",
    )


def fewer_iterations(matrices: Sequence[Matrix]) -> Finding:
    parts = []
    for _, group in groupby(fixed(matrices, "ifgsm"), key=_epsilon):
        parts += [_compare(fewer, more) for fewer, more in pairwise(group)]
    return conclude(
        ITERATIONS,
        parts,
        *notes(matrices),
        lacking="untargeted transfers of I-FGSM at one epsilon and two or more numbers of steps",
    )


def fixed(matrices: Iterable[Matrix], name: str) -> list[Matrix]:
    """The panels of an attack at fixed budgets, by rising epsilon and steps."""
    found = [
        matrix
        for matrix in matrices
        if matrix.attack.name == name and matrix.attack.budget is not None
    ]
    return sorted(found, key=lambda matrix: (_epsilon(matrix), _steps(matrix)))


def on_ifgsm(claim: Claim, matrices: Iterable[Matrix], part: Callable[[Matrix], Part]) -> Finding:
    """The claim on each panel of I-FGSM at a fixed epsilon: ``part`` decides about one."""
    panels = fixed(matrices, "ifgsm")
    return conclude(
        claim,
        [part(matrix) for matrix in panels],
        *notes(panels),
        lacking="untargeted transfers of I-FGSM at a fixed epsilon",
    )


def _epsilon(matrix: Matrix) -> float:
    return matrix.attack.budget or 0.0


def _steps(matrix: Matrix) -> float:
    return steps(matrix.attack)


def _compare(better: Matrix, worse: Matrix) -> Part:
    what = f"{better.attack.label} above {worse.attack.label}"
    return transfers_better(what, better, worse)
