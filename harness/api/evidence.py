"""What findings look at: models, what attacks did on them, and transfer between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from harness.api.attacked import Attacked
from harness.api.facts import ModelFacts, SuiteAttack
from harness.api.transfers import TransferMatrix


@dataclass(frozen=True, slots=True)
class TrialOutcomes:
    """What an attack with its parameters did for a goal, over the models of the suite.

    Images have numbers: the same number is the same image, whatever the model, attack and goal.

    Attributes:
        outcomes: of the models that have any attacked image.
        right: by model, of each image with a clean prediction whether that is correct.
        absent: the models without outcomes.
    """

    attack: SuiteAttack
    goal: str
    outcomes: Mapping[str, Attacked]
    right: Mapping[str, Mapping[int, bool]]
    absent: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.attack.label}, {self.goal}"

    @property
    def gaps(self) -> list[str]:
        """What it lacks, one line for models and one for images."""
        lines = [f"{self.title}: without results: {', '.join(self.absent)}"] if self.absent else []
        unknown = [
            f"{model} ({each.unknown})" for model, each in self.outcomes.items() if each.unknown
        ]
        if unknown:
            lines.append(f"{self.title}: images without a verdict: {', '.join(unknown)}")
        return lines


@dataclass(frozen=True, slots=True)
class ScoreOutcomes:
    """A score of a measurement with its parameters for a goal, over the models of the suite.

    Attributes:
        measurement: its name; ``label`` has the parameters that are not their defaults.
        score: such as ``l2.score``.
        values: by model and image, of the images that were measured.
        absent: the models without values.
        targets: the classes to reach, as ``values``; None: untargeted.
    """

    measurement: str
    label: str
    score: str
    goal: str
    values: Mapping[str, Mapping[int, float]]
    absent: tuple[str, ...] = ()
    targets: Mapping[str, Mapping[int, int | None]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.label} {self.score}, {self.goal}"

    @property
    def means(self) -> dict[str, float]:
        """Each model's mean over its images."""
        return {model: fmean(values.values()) for model, values in self.values.items()}

    @property
    def gaps(self) -> list[str]:
        """What it lacks, in a line."""
        return [f"{self.title}: without results: {', '.join(self.absent)}"] if self.absent else []


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is stored of a suite, read once for all findings: they must not change it.

    Attributes:
        trials: in the suite's order; ``matrices`` too, of untargeted panels alone.
        targeted: the matrices of the other panels, of the top-5 matching rate.
        labels: the class of each image, by its number.
        classes: what a public vocabulary calls the classes, or else their names; empty: unknown.
        notes: of trials whose gradients are not in fp32.
        scores: of measurements, in the order of their cells.
    """

    models: Mapping[str, ModelFacts]
    trials: tuple[TrialOutcomes, ...]
    matrices: tuple[TransferMatrix, ...]
    notes: tuple[str, ...] = ()
    scores: tuple[ScoreOutcomes, ...] = ()
    targeted: tuple[TransferMatrix, ...] = ()
    labels: Mapping[int, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

    def minimal(self, *names: str) -> list[TrialOutcomes]:
        """The trials of attacks that minimise the distortion.

        Args:
            names: of the attacks; without any, all of them.
        """
        return [
            trial
            for trial in self.trials
            if trial.attack.budget is None and trial.attack.name in (names or [trial.attack.name])
        ]


def gaps(trials: Iterable[TrialOutcomes | ScoreOutcomes]) -> list[str]:
    """What each of the trials or scores lacks."""
    return [line for trial in trials for line in trial.gaps]
