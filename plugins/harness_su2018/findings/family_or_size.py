"""A model's family predicts its robustness better than its size.

Each model is predicted from all others: once by the mean of its family, once by a line through
the others' log parameters. Single-member families cannot be predicted by the family, and are left
out of both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, linear_regression

from harness.api import (
    FEWEST_MODELS,
    Conclusion,
    Evidence,
    Finding,
    ModelFacts,
    Part,
    TrialOutcomes,
    beyond,
    conclude,
    gaps,
    too_few,
)
from harness.api.statistics import interval_of_mean, p_value, shuffled
from harness_su2018.findings.parameters import minimal


class FamilyOrSize(Finding):
    title = "family predicts better than size"
    claim = "a model's architecture matters more for its robustness than its number of parameters"
    source = "Su et al. 2018, abstract and section 4.2"
    rule = (
        "for every minimum-distortion attack the interval of the mean difference of squared"
        " errors, size minus family, in predicting the log mean distortion of a model left out,"
        f" lies above 0 (bootstrap over at least {FEWEST_MODELS} models); the permutation of the"
        " families over the models does not decide"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        goals: dict[str, str] = {}
        for trial in minimal(evidence):
            if trial.goal == "random" or trial.attack.name not in goals:
                goals[trial.attack.name] = trial.goal
        trials = [trial for trial in minimal(evidence) if goals[trial.attack.name] == trial.goal]
        parts = [prediction(trial, evidence.models) for trial in trials]
        left_out = sorted(
            set(evidence.models) - {model.name for model in kept(evidence.models.values())}
        )
        notes = [f"left out, alone in their family or of unknown size: {', '.join(left_out)}"]
        lacking = "a minimum-distortion attack"
        return conclude(parts, *(notes if left_out else ()), *gaps(trials), lacking=lacking)


def kept(models: Iterable[ModelFacts]) -> list[ModelFacts]:
    """The models of known size whose family has another one."""
    known = [model for model in models if model.family and model.parameters]
    families = [model.family for model in known]
    return [model for model in known if families.count(model.family) > 1]


def prediction(trial: TrialOutcomes, models: Mapping[str, ModelFacts]) -> Part:
    """The squared errors of the two predictions, model by model."""
    means = {name: each.mean for name, each in trial.outcomes.items()}
    usable = kept([models[name] for name, mean in means.items() if mean])
    families = [str(model.family) for model in usable]
    if len(usable) < FEWEST_MODELS or len(set(families)) < 2:
        return too_few(
            trial.title, len(usable), of="models of two families with two members or more"
        )
    robustness = [math.log(means[model.name] or 1.0) for model in usable]
    sizes = [math.log(model.parameters or 1) for model in usable]
    by_family, by_size = family_errors(robustness, families), size_errors(robustness, sizes)
    chance = [
        -fmean(family_errors(robustness, [families[other] for other in order]))
        for order in shuffled(len(usable))
    ]
    interval = interval_of_mean(
        [theirs - mine for theirs, mine in zip(by_size, by_family, strict=True)]
    )
    figure = (
        f"mean squared error of the log distortion {fmean(by_family):.3g} by family,"
        f" {fmean(by_size):.3g} by size, over {len(usable)} models of {len(set(families))}"
        f" families; permutation p of the family = {p_value(-fmean(by_family), chance):.4f}"
    )
    return Part(trial.title, beyond(interval), figure, interval)


def family_errors(robustness: Sequence[float], families: Sequence[str]) -> list[float]:
    """The squared error of each model's prediction: the mean of the others of its family."""
    sums: dict[str, float] = {}
    for value, family in zip(robustness, families, strict=True):
        sums[family] = sums.get(family, 0.0) + value
    return [
        (value - (sums[family] - value) / (families.count(family) - 1)) ** 2
        for value, family in zip(robustness, families, strict=True)
    ]


def size_errors(robustness: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """The squared error of each model's prediction: the line through all others."""
    errors = []
    for left, (value, size) in enumerate(zip(robustness, sizes, strict=True)):
        others = [[*side[:left], *side[left + 1 :]] for side in (sizes, robustness)]
        if len(set(others[0])) == 1:
            predicted = fmean(others[1])
        else:
            slope, intercept = linear_regression(*others)
            predicted = intercept + slope * size
        errors.append((value - predicted) ** 2)
    return errors
