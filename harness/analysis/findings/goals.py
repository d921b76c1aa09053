"""Least-likely targets need more distortion than random ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean

from harness.analysis.findings.evidence import Evidence, Score, gaps
from harness.analysis.findings.finding import Finding
from harness.analysis.findings.verdicts import FEWEST_MODELS, Claim, Part, beyond, conclude, too_few
from harness.analysis.statistics import interval_of_mean

LEAST_LIKELY = Claim(
    "least-likely-harder",
    "least-likely targets need more distortion",
    "an attack needs more distortion to reach the least likely class than to reach a random one",
    "Su et al. 2018, section 4.2: its fits are higher for least-likely targets",
    "for every minimum-distortion attack the interval of the mean log ratio of the models' mean"
    " distortions, least likely over random, lies above 0; over the images that both goals broke"
    f" (bootstrap over at least {FEWEST_MODELS} models)",
)


def least_likely(evidence: Evidence) -> Finding:
    trials = {(trial.attack.name, trial.goal): trial for trial in evidence.minimal()}
    both = [
        (harder, trial)
        for (name, goal), trial in trials.items()
        if goal == "random" and (harder := trials.get((name, "least-likely")))
    ]
    parts = [ratio(easier.attack.label, harder.scores, easier.scores) for harder, easier in both]
    lacks = [line for pair in both for line in gaps(pair)]
    lacking = "a minimum-distortion attack with random and with least-likely targets"
    return conclude(LEAST_LIKELY, parts, *lacks, lacking=lacking)


def ratio(what: str, harder: Mapping[str, Score], easier: Mapping[str, Score]) -> Part:
    """How much more distortion ``harder`` takes, paired by image and model."""
    logs, images = [], 0
    for model in harder.keys() & easier.keys():
        pairs = [
            (size, easier[model].distortions[image])
            for image, size in harder[model].distortions.items()
            if math.isfinite(size) and math.isfinite(easier[model].distortions.get(image, math.inf))
        ]
        more, less = math.fsum(pair[0] for pair in pairs), math.fsum(pair[1] for pair in pairs)
        if more > 0 and less > 0:
            logs.append(math.log(more / less))
            images += len(pairs)
    if len(logs) < FEWEST_MODELS:
        return too_few(what, len(logs), of="models with images that both goals broke")
    interval = interval_of_mean(sorted(logs))
    times = math.exp(fmean(logs))
    figure = f"{times:.3f} times the distortion over {len(logs)} models and {images} images"
    figure += f", log ratio {fmean(logs):+.4f}"
    return Part(what, beyond(interval), figure, interval)
