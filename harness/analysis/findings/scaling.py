"""The linear scaling law: distortion = a + b ln(top-1 error) on the Pareto-optimal models.

Models on a Pareto frontier lose robustness as they gain accuracy by definition, so that b > 0
means nothing, and a straight line fits a few falling points well. The permutation test is what
can fail: it permutes the robustness across the models, and counts how often chance makes a
frontier of five models or more that lies as close to a line.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis.bootstrap import Images, Sample
from harness.analysis.findings.evidence import Evidence, TrialOutcomes
from harness.analysis.findings.verdicts import (
    Claim,
    Finding,
    Part,
    beyond,
    conclude,
    together,
    too_few,
)
from harness.analysis.frontier import FEWEST_FOR_R2, Frontier, Point, frontier
from harness.analysis.statistics import expanded, p_value, resampled, shuffled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Set

    from harness.analysis.statistics import Floats

REPLICATES = 1000
LINEAR = 0.5
SIGNIFICANT = 0.05
PREFERRED_GOALS = ("random", "least-likely")


def scaling_laws(evidence: Evidence) -> list[Finding]:
    """One finding for each attack that minimises a distortion."""
    trials: dict[str, TrialOutcomes] = {}
    for goal in PREFERRED_GOALS:
        for trial in evidence.minimal():
            if trial.goal == goal:
                trials.setdefault(trial.attack.name, trial)
    if not trials:
        lacking = "a targeted attack that minimises the distortion"
        return [conclude(_claim("any norm", "scaling-law"), [], lacking=lacking)]
    return [_finding(trial) for trial in trials.values()]


def _claim(norm: str, name: str) -> Claim:
    return Claim(
        name,
        f"linear scaling law in {norm}",
        "on the Pareto-optimal models the mean distortion is linear in the logarithm of the top-1"
        " error: b ln(1 - accuracy) + a, b > 0",
        "Su et al. 2018, abstract and section 4.2",
        f"at least {FEWEST_FOR_R2} Pareto-optimal models; R2's interval above {LINEAR} and b's"
        " above 0 (bootstrap over images, paired across models, the frontier chosen anew each"
        " time); and robustness permuted across the models reaches the R2 with p <="
        f" {SIGNIFICANT}",
    )


def _finding(trial: TrialOutcomes) -> Finding:
    norm = trial.attack.norm
    claim = _claim(f"{norm} ({trial.attack.name})", f"scaling-law-{trial.attack.name}")
    notes = ["the interval is of b; b > 0 alone follows from the choice of Pareto-optimal models"]
    if norm not in ("l2", "linf"):
        notes.append(f"the paper claims it for l2 and linf: {norm} is this check's extension")
    parts = [scaling(trial)]
    return conclude(claim, parts, *notes, *trial.gaps, lacking="distortions")


def scaling(trial: TrialOutcomes) -> Part:
    """The law on the models' own images."""
    what = trial.title
    points = [
        Point(model, sum(right.values()), len(right), mean)
        for model, each in trial.outcomes.items()
        if (right := trial.right[model]) and (mean := each.mean) is not None
    ]
    curve = frontier(points)
    if curve.fit is None or curve.fit.r2 is None:
        few = too_few(what, len(curve.members), FEWEST_FOR_R2, "Pareto-optimal models")
        return few if curve.fit else Part(what, few.verdict, curve.reason or few.figure)
    fit, r2 = curve.fit, curve.fit.r2
    images = len({image for model in trial.outcomes for image in trial.right[model]})
    slopes, shares = _replicates(trial, [point.name for point in points])
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


def _replicates(trial: TrialOutcomes, models: Sequence[str]) -> tuple[Floats, Floats]:
    """b and R2 of each bootstrap sample of the images; NaN where there is none."""
    import numpy as np

    curves = list(_samples(trial, models))
    slopes = [curve.fit.b if curve.fit else np.nan for curve in curves]
    shares = [
        curve.fit.r2 if curve.fit and curve.fit.r2 is not None else np.nan for curve in curves
    ]
    return np.asarray(slopes), np.asarray(shares)


def _samples(trial: TrialOutcomes, models: Sequence[str]) -> Iterator[Frontier]:
    """The frontier of each bootstrap sample; models without a broken image in it are left out."""
    predicted = {image for model in models for image in trial.right[model]}
    images = Images.of({model: _sample(trial, model, predicted) for model in models})
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


def _sample(trial: TrialOutcomes, model: str, among: Set[int]) -> Sample:
    """What is resampled of a model, of images with a clean prediction."""
    sizes = trial.outcomes[model].by_image.items()
    return Sample(trial.right[model], {image: size for image, size in sizes if image in among})
