"""CLEVER: it ranks models as attacks do, lies below their distortions, and has a frontier."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from harness.api import (
    FEWEST_MODELS,
    Conclusion,
    Evidence,
    Finding,
    Part,
    ScoreOutcomes,
    TrialOutcomes,
    below,
    beyond,
    conclude,
    gaps,
    too_few,
)
from harness.api.frontier import FEWEST_FOR_R2
from harness.api.statistics import p_value, shuffled, spearman, spearman_interval, wilson
from harness_su2018.findings.parameters import kappa
from harness_su2018.findings.scaling import scaling

MOST_ABOVE = 0.05

Kind = Callable[[ScoreOutcomes, TrialOutcomes], Part]

LACKING = "CLEVER and an attack that minimises its norm, for the same images and targets"


class CleverRanks(Finding):
    title = "CLEVER ranks models as attacks do"
    claim = (
        "the larger a model's mean CLEVER score, the larger the distortion that an attack needs"
        " on it"
    )
    source = "Su et al. 2018, section 4.2: CLEVER and attacks agree on the models"
    rule = (
        "for each attack that minimises the norm of a score, and each goal, the interval of"
        " Spearman's rho between the models' mean scores and mean distortions, each model's over"
        f" the images that have both, lies above 0 (Fisher's z, at least {FEWEST_MODELS} models)"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        return _of_pairs(evidence, ranks)


class CleverBelow(Finding):
    title = "CLEVER lies below attacks"
    claim = (
        "a CLEVER score, an estimate of a lower bound, seldom exceeds the distortion of an attack"
    )
    source = "Su et al. 2018, section 3; Weng et al. 2018 (ICLR)"
    rule = (
        "for each attack that minimises the norm of a score, and each goal, the interval of the"
        " share of pairs of model and image whose score is above the distortion lies under"
        f" {MOST_ABOVE:.0%} (Wilson); where seldom ends is a choice of this check"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        return _of_pairs(evidence, lies_below)


class CleverLaw(Finding):
    title = "linear scaling law of CLEVER scores"
    claim = (
        "on the Pareto-optimal models the mean CLEVER score is linear in the logarithm of the top-1"
        " error: b ln(1 - accuracy) + a, b > 0"
    )
    source = "Su et al. 2018, section 4.2, of l2 scores"
    rule = (
        f"as for distortions (scaling-law): at least {FEWEST_FOR_R2} Pareto-optimal models, R2's"
        " interval above 0.5 and b's above 0, and a permutation test"
    )

    def check(self, evidence: Evidence) -> Conclusion | Sequence[Conclusion]:
        lacking = "CLEVER scores, and an attack's clean predictions"
        right = known(evidence)
        found: dict[str, ScoreOutcomes] = {}
        for goal in ("random", "least-likely"):
            for score in scores(evidence):
                if score.goal == goal:
                    found.setdefault(norm_of(score), score)
        if not found or not right:
            return conclude([], lacking=lacking)
        return [
            conclude(
                [scaling(score.title, right, score.values)],
                *score.gaps,
                lacking=lacking,
                of=norm,
                title=f"linear scaling law of CLEVER in {norm}",
            )
            for norm, score in found.items()
        ]


def scores(evidence: Evidence) -> list[ScoreOutcomes]:
    """CLEVER's scores, of each norm and goal the configuration that was planned last."""
    found = {
        (norm_of(score), score.goal): score
        for score in evidence.scores
        if score.measurement == "clever" and score.score.endswith(".score")
    }
    return list(found.values())


def norm_of(score: ScoreOutcomes) -> str:
    """``l2`` of ``l2.score``."""
    return score.score.partition(".")[0]


def known(evidence: Evidence) -> dict[str, Mapping[int, bool]]:
    """By model, of most images whether it classifies them correctly."""
    found: dict[str, Mapping[int, bool]] = {}
    for trial in evidence.trials:
        for model, right in trial.right.items():
            if len(right) > len(found.get(model, ())):
                found[model] = right
    return found


def _of_pairs(evidence: Evidence, kind: Kind) -> Conclusion:
    """The claim on every score and the attacks of its norm and goal."""
    pairs = [
        (score, trial)
        for score in scores(evidence)
        for trial in _least_confident(evidence)
        if (trial.attack.norm, trial.goal) == (norm_of(score), score.goal) and both(score, trial)
    ]
    parts = [kind(score, trial) for score, trial in pairs]
    return conclude(parts, *(line for pair in pairs for line in gaps(pair)), lacking=LACKING)


def _least_confident(evidence: Evidence) -> list[TrialOutcomes]:
    """The trials of minimal attacks at their smallest kappas, whatever their targets."""
    least: dict[str, float] = {}
    for trial in (trials := evidence.minimal()):
        name = trial.attack.name
        least[name] = min(kappa(trial.attack), least.get(name, math.inf))
    return [trial for trial in trials if kappa(trial.attack) == least[trial.attack.name]]


def both(score: ScoreOutcomes, trial: TrialOutcomes) -> dict[str, list[tuple[float, float]]]:
    """By model, score and distortion of the images that have both, for one target."""
    found = {}
    for model in score.values.keys() & trial.outcomes.keys():
        values, sizes = score.values[model], trial.outcomes[model].by_image
        aims, judged = score.targets.get(model, {}), trial.outcomes[model].judged
        common = values.keys() & sizes.keys()
        if shared := sorted(each for each in common if aims.get(each) == judged[each].target):
            found[model] = [(values[image], sizes[image]) for image in shared]
    return dict(sorted(found.items()))


def ranks(score: ScoreOutcomes, trial: TrialOutcomes) -> Part:
    """The rank correlation of the models' means."""
    what, pairs = _title(score, trial), both(score, trial)
    if len(pairs) < FEWEST_MODELS:
        return too_few(what, len(pairs), of="models with images that have both")
    means = [
        [sum(column) / len(each) for column in zip(*each, strict=True)] for each in pairs.values()
    ]
    one, other = ([mean[side] for mean in means] for side in (0, 1))
    rho = spearman(one, other)
    if rho is None:
        return Part(what, "not enough data", f"the same mean on all {len(means)} models")
    chance = [
        spearman(one, [other[place] for place in order]) or 0.0 for order in shuffled(len(means))
    ]
    interval = spearman_interval(rho, len(means))
    figure = (
        f"rho = {rho:+.2f} over {len(means)} models, permutation p = {p_value(rho, chance):.3f}"
    )
    return Part(what, beyond(interval), figure, interval)


def lies_below(score: ScoreOutcomes, trial: TrialOutcomes) -> Part:
    """The share of images whose score exceeds the distortion."""
    pairs = both(score, trial)
    every = [pair for each in pairs.values() for pair in each]
    above = sum(bound > size for bound, size in every)
    figure = f"{above} of {len(every)} scores above the distortion, {len(pairs)} models"
    interval = wilson(above, len(every))
    return Part(_title(score, trial), below(interval, MOST_ABOVE), figure, interval)


def _title(score: ScoreOutcomes, trial: TrialOutcomes) -> str:
    return f"{score.label} {norm_of(score)} and {trial.title}"
