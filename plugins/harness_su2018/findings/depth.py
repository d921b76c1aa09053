"""Within a family, more layers slightly raise the linf distortion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.api import (
    Attacked,
    Conclusion,
    Evidence,
    Finding,
    ModelFacts,
    Part,
    TrialOutcomes,
    beyond,
    conclude,
    too_few,
)
from harness.api.statistics import expanded, p_value, resampled
from harness_su2018.findings.parameters import minimal

if TYPE_CHECKING:
    import numpy as np

    from harness.api.statistics import Floats

FEWEST_IMAGES = 10
REPLICATES = 2000


class Depth(Finding):
    title = "deeper is slightly more robust in linf"
    claim = "for a similar architecture more layers slightly raise the linf distortion"
    source = "Su et al. 2018, abstract"
    rule = (
        "the interval of the exponent e lies above 0: mean linf distortion = (a factor of the"
        " family) x layers^e, by least squares on the logarithms over all families of two or more"
        f" depths (bootstrap over at least {FEWEST_IMAGES} images, paired across models: it is"
        " about these models on other images); the permutation of the depths within families does"
        " not decide, and nothing here decides what `slightly` means"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        trials = {trial.goal: trial for trial in minimal(evidence) if trial.attack.norm == "linf"}
        trial = trials.get("random") or next(iter(trials.values()), None)
        parts = [exponent(trial, evidence.models)] if trial else []
        lacking = "an attack that minimises the linf distortion"
        return conclude(parts, *(trial.gaps if trial else ()), lacking=lacking)


def exponent(trial: TrialOutcomes, models: Mapping[str, ModelFacts]) -> Part:
    """The exponent over the families that have models of different depths."""
    import numpy as np

    what, outcomes = trial.title, trial.outcomes
    names = deepening(outcomes, models)
    if not names:
        return Part(what, "not enough data", "no family with models of different depths")
    images = sorted({image for name in names for image in outcomes[name].judged})
    if len(images) < FEWEST_IMAGES:
        return too_few(what, len(images), FEWEST_IMAGES, "images")
    families = [str(models[name].family) for name in names]
    depths = _centred(np.log([[models[name].layers or 1 for name in names]]), families)
    weights = np.vstack([np.ones(len(images)), resampled(len(images), REPLICATES)])
    logs = _log_means([outcomes[name].by_image for name in names], images, weights)
    # With a level for each family in the fit, it is enough to centre one side.
    slopes = (logs * depths).sum(axis=1) / (depths**2).sum()
    interval = expanded(slopes[1:], len(images))
    random = np.random.default_rng(0)
    chance = [
        float((logs[0] * _permuted(depths[0], families, random)).sum() / (depths**2).sum())
        for _ in range(REPLICATES)
    ]
    p = p_value(float(slopes[0]), chance)
    figure = (
        f"e = {slopes[0]:+.3f}, {2 ** slopes[0] - 1:+.1%} for twice the layers, over {len(names)}"
        f" models of {len(set(families))} families, permutation p = {p:.3f}"
    )
    return Part(what, beyond(interval), figure, interval)


def _log_means(
    distortions: Sequence[Mapping[int, float]], images: Sequence[int], weights: Floats
) -> Floats:
    """ln of each model's mean distortion in each sample of the images: (samples, models).

    NaN for all models of a sample in which one has no broken image, or none at a distance above 0.
    """
    import numpy as np

    sizes = np.asarray([[of.get(image, 0.0) for of in distortions] for image in images])
    broken = np.asarray([[float(image in of) for of in distortions] for image in images])
    with np.errstate(invalid="ignore", divide="ignore"):
        logs: Floats = np.log((weights @ sizes) / (weights @ broken))
    logs[~np.isfinite(logs).all(axis=1)] = np.nan
    return logs


def deepening(outcomes: Mapping[str, Attacked], models: Mapping[str, ModelFacts]) -> list[str]:
    """The models whose family has several depths among those with a mean distortion above 0."""
    usable = [
        models[name]
        for name, each in outcomes.items()
        if each.mean and models[name].family and models[name].layers
    ]
    depths: dict[str | None, set[int | None]] = {}
    for model in usable:
        depths.setdefault(model.family, set()).add(model.layers)
    return [model.name for model in usable if len(depths[model.family]) > 1]


def _centred(values: Floats, families: Sequence[str]) -> Floats:
    """Minus the mean of the family; (samples, models)."""
    import numpy as np

    names = np.asarray(families)
    centred = np.array(values, np.float64)
    for family in set(families):
        centred[:, names == family] -= centred[:, names == family].mean(axis=1, keepdims=True)
    return centred


def _permuted(depths: Floats, families: Sequence[str], random: np.random.Generator) -> Floats:
    """The depths of each family in another order."""
    import numpy as np

    names = np.asarray(families)
    dealt = depths.copy()
    for family in sorted(set(families)):
        dealt[names == family] = random.permutation(depths[names == family])
    return dealt
