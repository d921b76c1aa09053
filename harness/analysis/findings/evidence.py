"""What the checks look at: models, their results under each attack and goal, transfer matrices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.analysis.attacks import SuiteAttack
from harness.analysis.model import Model
from harness.analysis.numerics import numerics_note
from harness.analysis.place import Attacked, attacked_of
from harness.analysis.results import SuiteResults, Trial
from harness.analysis.transfer.matrix import Matrix, matrix_of
from harness.api import Goal

BEFORE_THEY_WERE_STORED: Mapping[str, float] = {"kappa": 0.0, "steps": 50.0}
"""The defaults of databases that hold only the parameters that are not their defaults."""


@dataclass(frozen=True, slots=True)
class TrialOutcomes:
    """What an attack with its parameters did for a goal, over the models of the suite.

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
class Evidence:
    """All of a suite.

    Attributes:
        trials: in the suite's order; ``matrices`` too, of untargeted panels alone.
        notes: of trials whose gradients are not in fp32.
    """

    models: Mapping[str, Model]
    trials: tuple[TrialOutcomes, ...]
    matrices: tuple[Matrix, ...]
    notes: tuple[str, ...] = ()

    def minimal(self, *names: str) -> list[TrialOutcomes]:
        """The trials of minimum-distortion attacks, each attack and goal at its smallest kappa.

        Args:
            names: of the attacks; without any, all of them.
        """
        found: dict[tuple[str, str], TrialOutcomes] = {}
        for trial in sorted(self.trials, key=lambda trial: kappa(trial.attack)):
            if trial.attack.budget is None and trial.attack.name in (names or [trial.attack.name]):
                found.setdefault((trial.attack.name, trial.goal), trial)
        chosen = {id(trial) for trial in found.values()}
        return [trial for trial in self.trials if id(trial) in chosen]


def gaps(trials: Iterable[TrialOutcomes]) -> list[str]:
    """What each of the trials lacks."""
    return [line for trial in trials for line in trial.gaps]


def kappa(attack: SuiteAttack) -> float:
    """The margin that the attack reaches for; 0 where it has no such parameter."""
    return _parameter(attack, "kappa")


def steps(attack: SuiteAttack) -> float:
    """The steps of an I-FGSM."""
    return _parameter(attack, "steps")


def _parameter(attack: SuiteAttack, name: str) -> float:
    return float(attack.parameters.get(name, BEFORE_THEY_WERE_STORED[name]))


def gather(suite: SuiteResults) -> Evidence:
    """The evidence of a suite: what its runs have results of."""
    ran = [trial for trial in suite.trials() if trial.cells]
    places = {label: place for place, label in enumerate(suite.attacks)}
    trials = [_trial(each) for each in sorted(ran, key=lambda t: (places[t.attack.label], t.goal))]
    current = suite.definition["models"]
    names = dict.fromkeys([*current, *(name for trial in trials for name in trial.outcomes)])
    untargeted = (panel for panel in suite.panels() if panel.goal == Goal.UNTARGETED)
    return Evidence(
        models={name: suite.results.model(name) for name in names},
        trials=tuple(trials),
        matrices=tuple(matrix_of(panel) for panel in untargeted),
        notes=tuple(
            note
            for each in ran
            for note in numerics_note(each.attack.label, each.goal, each.policy)
        ),
    )


def _trial(trial: Trial) -> TrialOutcomes:
    predictions = {model: trial.predictions(model) for model in trial.cells}
    every = {
        model: attacked_of(trial.outcomes(model), predictions[model], trial.attack.norm)
        for model in trial.cells
    }
    outcomes = {model: each for model, each in every.items() if each.attacked or each.unknown}
    return TrialOutcomes(
        attack=trial.attack,
        goal=trial.goal,
        outcomes=outcomes,
        right={
            model: {image: right for image, right in rows.items() if right is not None}
            for model, rows in predictions.items()
        },
        absent=tuple(model for model in trial.models if model not in outcomes),
    )
