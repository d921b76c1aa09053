"""Success at a large kappa is not aligned with robustness."""

from __future__ import annotations

from harness.api import (
    FEWEST_MODELS,
    Conclusion,
    Evidence,
    Finding,
    Goal,
    Part,
    TrialOutcomes,
    beyond,
    conclude,
    gaps,
    too_few,
)
from harness.api.statistics import p_value, shuffled, spearman, spearman_interval
from harness_su2018.findings.parameters import kappa, minimal

ALIGNED = -0.5


class LargeKappa(Finding):
    title = "success at large kappa does not reflect robustness"
    claim = (
        "which models the targeted C&W or EAD attack breaks with a large kappa has little to do"
        " with how large a distortion they need"
    )
    source = "Su et al. 2018, figure 1"
    rule = (
        "for each attack and goal, over the models, the interval of Spearman's rho between the"
        " rate of confident success at the largest kappa and the mean distortion at the smallest"
        f" lies above {ALIGNED} (does not hold: under it; Fisher's z, at least {FEWEST_MODELS}"
        " models); were success a measure of robustness, rho would be near -1; where a rank"
        " correlation counts as alignment is a choice of this check"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        parts, lacks = [], []
        for small in minimal(evidence, "cw", "ead"):
            same = [
                trial
                for trial in evidence.trials
                if (trial.attack.name, trial.goal) == (small.attack.name, small.goal)
            ]
            large = max(same, key=lambda trial: kappa(trial.attack))
            if small.goal != Goal.UNTARGETED and kappa(large.attack) > kappa(small.attack):
                parts.append(alignment(small, large))
                lacks += gaps([small, large])
        lacking = "targeted C&W or EAD at kappa 0 and at a larger one"
        return conclude(parts, *lacks, lacking=lacking)


def alignment(small: TrialOutcomes, large: TrialOutcomes) -> Part:
    """The rank correlation of confident success with the distortion at the smaller kappa."""
    what = f"{small.attack.label} and {large.attack.label}, {small.goal}"
    both = [
        (each.mean, other.confident / other.attacked)
        for model, each in small.outcomes.items()
        if each.mean is not None and (other := large.outcomes.get(model)) and other.attacked
    ]
    if len(both) < FEWEST_MODELS:
        return too_few(what, len(both))
    sizes, rates = zip(*both, strict=True)
    rho = spearman(sizes, rates)
    if rho is None:
        same = f"the same confident success, {rates[0]:.3g}, on all {len(both)} models"
        return Part(what, "not enough data", same)
    interval = spearman_interval(rho, len(both))
    chance = [
        -(spearman(sizes, [rates[other] for other in order]) or 0.0)
        for order in shuffled(len(both))
    ]
    figure = (
        f"rho = {rho:+.2f} over {len(both)} models, permutation p of one so low ="
        f" {p_value(-rho, chance):.3f}, confident success {min(rates):.3g} to {max(rates):.3g}"
    )
    return Part(what, beyond(interval, ALIGNED), figure, interval)
