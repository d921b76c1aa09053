"""Least likely classes are far from the true ones in WordNet."""

from __future__ import annotations

from harness.api import (
    Conclusion,
    Evidence,
    Finding,
    Goal,
    MissingError,
    Part,
    TrialOutcomes,
    beyond,
    conclude,
)
from harness.api.statistics import wilson
from harness_su2018.findings import wordnet

FAR = 5
MOSTLY = 0.9


class LeastLikelyFar(Finding):
    title = "least likely classes are far in WordNet"
    claim = (
        f"the shortest path in WordNet from the true class to the least likely one is longer than"
        f" {FAR} for nearly all images"
    )
    source = "Su et al. 2018, figure 11: 96.6% of 1,000 images, for Inception-v1"
    rule = (
        "for every model the interval of the share of correctly classified images with a path"
        f" longer than {FAR} lies above {MOSTLY:.0%} (Wilson); where nearly all begins is a choice"
        " of this check; for datasets whose classes are WordNet's synsets"
    )

    def check(self, evidence: Evidence) -> Conclusion:
        lacking = "least-likely targets of a dataset whose classes are WordNet's synsets"
        trials = [trial for trial in evidence.trials if trial.goal == Goal.LEAST_LIKELY]
        if not trials or not wordnet.are_synsets(evidence.classes):
            return conclude([], lacking=lacking)
        try:
            nouns = wordnet.Nouns.of(wordnet.find())
            found = [_part(*each, evidence, nouns) for each in _targets(trials).items()]
        except MissingError as error:
            return conclude([], lacking=str(error))
        parts = [part for part in found if part is not None]
        return conclude(parts, lacking=lacking)


def _targets(trials: list[TrialOutcomes]) -> dict[str, dict[int, int]]:
    """Each model's least likely classes by image: whatever the attack, they are the same."""
    found: dict[str, dict[int, int]] = {}
    for trial in trials:
        for model, outcomes in trial.outcomes.items():
            mine = found.setdefault(model, {})
            mine.update(
                {
                    image: row.target
                    for image, row in outcomes.judged.items()
                    if row.target is not None
                }
            )
    return found


def _part(
    model: str, targets: dict[int, int], evidence: Evidence, nouns: wordnet.Nouns
) -> Part | None:
    """How many of the model's images have a target that is far; None: it has none."""
    classes, labels = evidence.classes, evidence.labels
    paths = [
        nouns.distance(classes[labels[image]], classes[target])
        for image, target in targets.items()
        if image in labels and max(labels[image], target) < len(classes)
    ]
    if not paths:
        return None
    far = sum(path > FAR for path in paths)
    interval = wilson(far, len(paths))
    figure = f"{far / len(paths):.3f}, {far} of {len(paths)} images, median path {_median(paths):g}"
    return Part(model, beyond(interval, MOSTLY), figure, interval)


def _median(paths: list[int]) -> float:
    from statistics import median

    return median(paths)
