"""Least-likely targets need more distortion than random ones."""

from __future__ import annotations

import math
from statistics import fmean

from harness.api import (
    FEWEST_MODELS,
    Conclusion,
    Evidence,
    Finding,
    Part,
    TrialOutcomes,
    beyond,
    conclude,
    gaps,
    too_few,
)
from harness.api.statistics import interval_of_mean
from harness_su2018.findings.parameters import minimal


class LeastLikely(Finding):
    title = "least-likely targets need more distortion"
    claim = (
        "an attack needs more distortion to reach the least likely class than to reach a random one"
    )
    source = "Su et al. 2018, section 4.2: its fits are higher for least-likely targets"
    rule = (
        "for every minimum-distortion attack the interval of the mean log ratio of the models'"
        " mean distortions, least likely over random, lies above 0; over the images that both"
        f" goals broke (bootstrap over at least {FEWEST_MODELS} models)"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        trials = {(trial.attack.name, trial.goal): trial for trial in minimal(evidence)}
        both = [
            (harder, trial)
            for (name, goal), trial in trials.items()
            if goal == "random" and (harder := trials.get((name, "least-likely")))
        ]
        parts = [ratio(harder, easier) for harder, easier in both]
        lacks = [line for pair in both for line in gaps(pair)]
        lacking = "a minimum-distortion attack with random and with least-likely targets"
        return conclude(parts, *lacks, lacking=lacking)


def ratio(harder: TrialOutcomes, easier: TrialOutcomes) -> Part:
    """How much more distortion ``harder`` takes, paired by image and model."""
    what, logs, images = easier.attack.label, [], 0
    for model in harder.outcomes.keys() & easier.outcomes.keys():
        sides = [trial.outcomes[model].by_image for trial in (harder, easier)]
        both = sides[0].keys() & sides[1].keys()
        more, less = (math.fsum(side[image] for image in both) for side in sides)
        if more > 0 and less > 0:
            logs.append(math.log(more / less))
            images += len(both)
    if len(logs) < FEWEST_MODELS:
        return too_few(what, len(logs), of="models with images that both goals broke")
    interval = interval_of_mean(sorted(logs))
    times = math.exp(fmean(logs))
    figure = f"{times:.3f} times the distortion over {len(logs)} models and {images} images"
    figure += f", log ratio {fmean(logs):+.4f}"
    return Part(what, beyond(interval), figure, interval)
