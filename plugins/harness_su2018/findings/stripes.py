"""VGG stripes: the VGG models are the strongest sources of transfer."""

from __future__ import annotations

from collections.abc import Sequence

from harness.api import (
    Conclusion,
    Evidence,
    Finding,
    Part,
    TransferMatrix,
    beyond,
    together,
    too_few,
)
from harness.api.statistics import interval_of_mean
from harness_su2018.findings.pairs import present, rates
from harness_su2018.findings.transferability import on_ifgsm

VGG = "VGG"
FEWEST_TARGETS = 5


class VggStripes(Finding):
    title = "VGG stripes"
    claim = "examples of the VGG models transfer better than those of any other family"
    source = "Su et al. 2018, abstract and section 4.4"
    rule = (
        "for every untargeted I-FGSM panel and every other family the interval of the difference"
        " lies above 0: the mean rate of the VGG models as sources minus the other family's, on"
        f" the targets of neither (bootstrap over at least {FEWEST_TARGETS} targets); one better"
        " family is enough for a claim that does not hold"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        return on_ifgsm(evidence.matrices, strongest)


def strongest(matrix: TransferMatrix) -> Part:
    """VGG against the family that comes nearest to it, or beats it."""
    what = matrix.attack.label
    models = present(matrix)
    families = {matrix.families[model] for model in models} - {None}
    if VGG not in families:
        return Part(what, "not enough data", f"no model of the family {VGG}")
    rivals = [_against(matrix, models, family) for family in sorted(families - {VGG}, key=str)]
    if not rivals:
        return Part(what, "not enough data", "no other family")
    verdict = together(part.verdict for part in rivals)
    deciding = [part for part in rivals if part.verdict == verdict]
    nearest = min(deciding, key=lambda part: part.interval[0] if part.interval else 0.0)
    return Part(what, verdict, f"{nearest.what}: {nearest.figure}", nearest.interval)


def _against(matrix: TransferMatrix, models: Sequence[str], family: str | None) -> Part:
    import numpy as np

    table = rates(matrix, models)
    own = np.asarray([matrix.families[model] == VGG for model in models])
    theirs = np.asarray([matrix.families[model] == family for model in models])
    targets = table[:, ~(own | theirs)]
    usable = np.isfinite(targets[own]).any(axis=0) & np.isfinite(targets[theirs]).any(axis=0)
    what = f"{VGG} against {family}"
    if usable.sum() < FEWEST_TARGETS:
        return too_few(what, int(usable.sum()), FEWEST_TARGETS, "targets")
    mine = np.nanmean(targets[own][:, usable], axis=0)
    other = np.nanmean(targets[theirs][:, usable], axis=0)
    interval = interval_of_mean((mine - other).tolist())
    figure = f"{mine.mean():.3f} against {other.mean():.3f} on {usable.sum()} targets"
    return Part(what, beyond(interval), figure, interval)
