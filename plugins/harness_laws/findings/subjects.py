"""What laws are tried on: the models under one attack and goal, by accuracy and robustness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.api import Evidence, TrialOutcomes
from harness.api.frontier import Point

PREFERRED_GOALS = ("random", "least-likely")
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Subject:
    """The models under an attack and goal.

    Attributes:
        of: the attack's name.
        points: by mean distortion, or under a fixed budget by robust accuracy.
        training: the declared regime of each point.
        steps: whether robustness is a robust accuracy, whose frontier has no law.
        gaps: what results are lacking, one line each.
    """

    of: str
    title: str
    points: tuple[Point, ...]
    training: tuple[str, ...]
    steps: bool
    gaps: tuple[str, ...]

    @property
    def robustness(self) -> str:
        return "robust accuracy" if self.steps else "mean distortion"

    def by_regime(self) -> Mapping[str, tuple[Point, ...]]:
        """The points of each declared regime, the largest first."""
        names = sorted(set(self.training), key=lambda each: (-self.training.count(each), each))
        pairs = list(zip(self.points, self.training, strict=True))
        return {name: tuple(point for point, own in pairs if own == name) for name in names}


def subjects(evidence: Evidence) -> list[Subject]:
    """One per attack that minimises the distortion; without any, one per fixed budget's attack."""
    chosen: dict[str, TrialOutcomes] = {}
    trials = evidence.minimal() or list(evidence.trials)
    for goal in (*PREFERRED_GOALS, None):
        for trial in trials:
            if goal in (None, trial.goal):
                chosen.setdefault(trial.attack.name, trial)
    return [_subject(trial, evidence) for trial in chosen.values()]


def _subject(trial: TrialOutcomes, evidence: Evidence) -> Subject:
    steps = trial.attack.budget is not None
    points = []
    for model, each in trial.outcomes.items():
        right = trial.right[model]
        robustness = each.robust_accuracy if steps else each.mean
        if right and robustness is not None:
            points.append(Point(model, sum(right.values()), len(right), robustness))
    return Subject(
        of=trial.attack.name,
        title=trial.title,
        points=tuple(points),
        training=tuple(evidence.models[point.name].training or UNKNOWN for point in points),
        steps=steps,
        gaps=tuple(trial.gaps),
    )
