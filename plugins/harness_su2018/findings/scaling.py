"""The linear scaling law: distortion = a + b ln(top-1 error) on the Pareto-optimal models.

Models on a Pareto frontier lose robustness as they gain accuracy by definition, so that b > 0
means nothing, and a straight line fits a few falling points well. The permutation test is what
can fail: it permutes the robustness across the models, and counts how often chance makes a
frontier of five models or more that lies as close to a line.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from harness.api import (
    Conclusion,
    Evidence,
    Finding,
    Part,
    TrialOutcomes,
    beyond,
    conclude,
    together,
    too_few,
)
from harness.api.frontier import FEWEST_FOR_R2, Frontier, Point, frontier
from harness.api.paired import Images, Sample
from harness.api.statistics import expanded, p_value, resampled, shuffled
from harness_su2018.findings.parameters import minimal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

    from harness.api.statistics import Floats

    Right = Mapping[str, Mapping[int, bool]]
    Values = Mapping[str, Mapping[int, float]]

REPLICATES = 1000
LINEAR = 0.5
SIGNIFICANT = 0.05
PREFERRED_GOALS = ("random", "least-likely")


class ScalingLaws(Finding):
    """One conclusion for each attack that minimises a distortion."""

    title = "linear scaling law in any norm"
    claim = (
        "on the Pareto-optimal models the mean distortion is linear in the logarithm of the top-1"
        " error: b ln(1 - accuracy) + a, b > 0"
    )
    source = "Su et al. 2018, abstract and section 4.2"
    rule = (
        f"at least {FEWEST_FOR_R2} Pareto-optimal models; R2's interval above {LINEAR} and b's"
        " above 0 (bootstrap over images, paired across models, the frontier chosen anew each"
        " time); and robustness permuted across the models reaches the R2 with p <="
        f" {SIGNIFICANT}"
    )

    def check(self, evidence: Evidence) -> Sequence[Conclusion]:
        trials: dict[str, TrialOutcomes] = {}
        for goal in PREFERRED_GOALS:
            for trial in minimal(evidence):
                if trial.goal == goal:
                    trials.setdefault(trial.attack.name, trial)
        if not trials:
            return [conclude([], lacking="a targeted attack that minimises the distortion")]
        return [_law(trial) for trial in trials.values()]


def _law(trial: TrialOutcomes) -> Conclusion:
    norm, name = trial.attack.norm, trial.attack.name
    notes = ["the interval is of b; b > 0 alone follows from the choice of Pareto-optimal models"]
    if norm not in ("l2", "linf"):
        notes.append(f"the paper claims it for l2 and linf: {norm} is this check's extension")
    values = {model: each.by_image for model, each in trial.outcomes.items()}
    return conclude(
        [scaling(trial.title, trial.right, values)],
        *notes,
        *trial.gaps,
        lacking="distortions",
        of=name,
        title=f"linear scaling law in {norm} ({name})",
    )


def scaling(what: str, known: Right, values: Values) -> Part:
    """The law on the models' own images.

    Args:
        known: by model, of each image with a clean prediction whether that is correct.
        values: the models' robustness, of each image that has one.
    """
    points = [
        Point(model, sum(right.values()), len(right), fmean(each.values()))
        for model, each in values.items()
        if (right := known.get(model)) and each
    ]
    curve = frontier(points)
    if curve.fit is None or curve.fit.r2 is None:
        few = too_few(what, len(curve.members), FEWEST_FOR_R2, "Pareto-optimal models")
        return few if curve.fit else Part(what, few.verdict, curve.reason or few.figure)
    fit, r2 = curve.fit, curve.fit.r2
    images = len({image for point in points for image in known[point.name]})
    slopes, shares = _replicates(known, values, [point.name for point in points])
    slope, share = expanded(slopes, images), expanded(shares, images)
    p = p_value(r2, [_r2(_permuted(points, order)) for order in shuffled(len(points), REPLICATES)])
    verdict = together([beyond(slope), beyond(share, LINEAR)])
    if verdict == "holds" and p > SIGNIFICANT:
        verdict = "not enough data"
    around = f" ({share[0]:.3f} to {share[1]:.3f})" if share else ""
    figure = (
        f"b = {fit.b:.4g}, a = {fit.a:.4g}, R2 = {r2:.3f}{around},"
        f" {len(curve.members)} of {len(points)} models on the frontier, permutation p = {p:.3f}"
    )
    return Part(what, verdict, figure, slope)


def _r2(curve: Frontier) -> float:
    """0 without a line through enough models."""
    return (curve.fit.r2 or 0.0) if curve.fit else 0.0


def _permuted(points: list[Point], order: list[int]) -> Frontier:
    return frontier(
        [
            replace(point, robustness=points[other].robustness)
            for point, other in zip(points, order, strict=True)
        ]
    )


def _replicates(known: Right, values: Values, models: Sequence[str]) -> tuple[Floats, Floats]:
    """b and R2 of each bootstrap sample of the images; NaN where there is none."""
    import numpy as np

    curves = list(_samples(known, values, models))
    slopes = [curve.fit.b if curve.fit else np.nan for curve in curves]
    shares = [
        curve.fit.r2 if curve.fit and curve.fit.r2 is not None else np.nan for curve in curves
    ]
    return np.asarray(slopes), np.asarray(shares)


def _samples(known: Right, values: Values, models: Sequence[str]) -> Iterator[Frontier]:
    """The frontier of each bootstrap sample; models without a value in it are left out."""
    predicted = {image for model in models for image in known[model]}
    images = Images.of({model: _sample(known[model], values[model], predicted) for model in models})
    weights = resampled(len(images.ids), REPLICATES)
    tables = (images.known, images.right, images.has, images.values)
    totals = [weights @ table for table in tables]
    for seen, correct, count, size in zip(*totals, strict=True):
        usable = (seen > 0) & (count > 0)
        yield frontier(
            [
                Point(model, correct[i], seen[i], size[i] / count[i])
                for i, model in enumerate(models)
                if usable[i]
            ]
        )


def _sample(right: Mapping[int, bool], values: Mapping[int, float], among: Set[int]) -> Sample:
    """What is resampled of a model, of images with a clean prediction."""
    return Sample(right, {image: size for image, size in values.items() if image in among})
