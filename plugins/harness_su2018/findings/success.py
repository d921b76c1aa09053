"""Success rates: targeted FGSM is weak, I-FGSM and the minimum-norm attacks nearly always succeed.

A rate is pooled over all (model, image) pairs with a verdict. Its interval is Wilson's, widened by
what the verdicts on the images without one could have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from harness.api import (
    FEWEST_MODELS,
    Attacked,
    Conclusion,
    Evidence,
    Finding,
    FindingVerdict,
    Goal,
    Part,
    TrialOutcomes,
    below,
    beyond,
    conclude,
    gaps,
    too_few,
)
from harness.api.statistics import binomial_tail, interval_of_mean, wilson
from harness_su2018.findings.parameters import kappa, minimal

WEAK = 0.03
STRONG = 0.99
NEAR = 0.95

SIGNIFICANT = 0.05


class FgsmWeak(Finding):
    title = "targeted FGSM is weak"
    claim = "FGSM reaches its target on less than 3% of the images, at every epsilon"
    source = "Su et al. 2018, figure 1"
    rule = (
        "for every targeted FGSM the interval of the success rate over all models lies under 0.03,"
        " and no model's own rate is above it (binomial test, 5% over all models)"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        trials = _targeted_fgsm(evidence)
        parts = [rate(trial, WEAK, above=False) for trial in trials]
        return conclude(parts, *gaps(trials), lacking="FGSM with a targeted goal")


class FgsmFalls(Finding):
    title = "targeted FGSM gets weaker with epsilon"
    claim = "FGSM reaches its target less often the larger epsilon is"
    source = "Su et al. 2018, figure 1"
    rule = (
        "between neighbouring epsilons the mean fall of a model's success rate is above 0"
        f" (bootstrap over at least {FEWEST_MODELS} models)"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        trials = _targeted_fgsm(evidence)
        goals = dict.fromkeys(trial.goal for trial in trials)
        parts = [
            _falling(smaller, larger)
            for goal in goals
            for smaller, larger in pairwise(trial for trial in trials if trial.goal == goal)
        ]
        return conclude(parts, *gaps(trials), lacking="targeted FGSM at two or more epsilons")


class IfgsmStrong(Finding):
    title = "I-FGSM nearly always succeeds"
    claim = "I-FGSM succeeds on at least 99% of the images"
    source = "Su et al. 2018, figure 1"
    rule = (
        "for every I-FGSM and goal the interval of the success rate over all models lies above"
        " 0.99, and no model's own rate is under it (binomial test, 5% over all models)"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        trials = [trial for trial in evidence.trials if trial.attack.name == "ifgsm"]
        parts = [rate(trial, STRONG, above=True) for trial in trials]
        return conclude(parts, *gaps(trials), lacking="I-FGSM")


class MinimalStrong(Finding):
    title = "C&W and EAD nearly always succeed at kappa 0"
    claim = "C&W and EAD succeed on nearly all images at kappa 0"
    source = "Su et al. 2018, figure 1"
    rule = (
        "for each attack and goal the interval of the success rate over all models lies above"
        " 0.95, and no model's own rate is under it (binomial test, 5% over all models); how close"
        " to 100% is meant is a choice of this check"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        trials = [trial for trial in minimal(evidence, "cw", "ead") if not kappa(trial.attack)]
        parts = [rate(trial, NEAR, above=True) for trial in trials]
        return conclude(parts, *gaps(trials), lacking="C&W or EAD at kappa 0")


def _targeted_fgsm(evidence: Evidence) -> list[TrialOutcomes]:
    """By rising epsilon."""
    trials = [
        trial
        for trial in evidence.trials
        if trial.attack.name == "fgsm" and trial.goal != Goal.UNTARGETED and trial.attack.budget
    ]
    return sorted(trials, key=lambda trial: trial.attack.budget or 0.0)


def rate(trial: TrialOutcomes, threshold: float, *, above: bool) -> Part:
    """Whether the success rate lies above ``threshold``, or under it; of all models and each."""
    if len(trial.absent) > len(trial.outcomes):
        models = len(trial.absent) + len(trial.outcomes)
        return too_few(trial.title, len(trial.outcomes), (models + 1) // 2)
    every = trial.outcomes.values()
    broken = sum(each.broken for each in every)
    attacked = sum(each.attacked for each in every)
    unknown = sum(each.unknown for each in every)
    least = wilson(broken, attacked + unknown)
    most = wilson(broken + unknown, attacked + unknown)
    if not attacked or least is None or most is None:
        return too_few(trial.title, 0, 1, "images with a verdict")
    interval = least[0], most[1]
    against = [
        model
        for model, outcomes in trial.outcomes.items()
        if _chance(outcomes, threshold, above) < SIGNIFICANT / len(trial.outcomes)
    ]
    if against:
        verdict: FindingVerdict = "does not hold"
    else:
        verdict = beyond(interval, threshold) if above else below(interval, threshold)
    figure = f"success {broken / attacked:.4g}, {broken} of {attacked}"
    if against:
        figure += f"; {len(against)} of {len(every)} models against it: {_some(against)}"
    if unknown:
        figure += f"; {unknown} without a verdict"
    return Part(trial.title, verdict, figure, interval)


def _chance(outcomes: Attacked, threshold: float, above: bool) -> float:
    """How likely so far a rate is where the true one is ``threshold``.

    Images without a verdict count in favour of the claim.
    """
    images = outcomes.attacked + outcomes.unknown
    if above:
        return binomial_tail(outcomes.broken + outcomes.unknown, images, threshold)
    return binomial_tail(images - outcomes.broken, images, 1 - threshold)


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _falling(smaller: TrialOutcomes, larger: TrialOutcomes) -> Part:
    what = f"{smaller.attack.label} against {larger.attack.label}, {smaller.goal}"
    falls = [
        mine.broken / mine.attacked - its.broken / its.attacked
        for model, mine in smaller.outcomes.items()
        if (its := larger.outcomes.get(model)) and mine.attacked and its.attacked
    ]
    if len(falls) < FEWEST_MODELS:
        return too_few(what, len(falls))
    interval = interval_of_mean(falls)
    figure = f"success falls by {fmean(falls):.3g} over {len(falls)} models"
    return Part(what, beyond(interval), figure, interval)
