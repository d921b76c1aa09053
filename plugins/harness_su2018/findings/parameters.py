"""The study's parameters of attacks: kappa, steps, epsilon."""

from __future__ import annotations

from collections.abc import Mapping

from harness.api import Evidence, SuiteAttack, TrialOutcomes

BEFORE_THEY_WERE_STORED: Mapping[str, float] = {"kappa": 0.0, "steps": 50.0}
"""The defaults of databases that hold only the parameters that are not their defaults."""


def kappa(attack: SuiteAttack) -> float:
    """The margin that the attack reaches for; 0 where it has no such parameter."""
    return _parameter(attack, "kappa")


def steps(attack: SuiteAttack) -> float:
    """The steps of an I-FGSM."""
    return _parameter(attack, "steps")


def _parameter(attack: SuiteAttack, name: str) -> float:
    return float(attack.parameters.get(name, BEFORE_THEY_WERE_STORED[name]))


def minimal(evidence: Evidence, *names: str) -> list[TrialOutcomes]:
    """The trials of minimum-distortion attacks, each attack and goal at its smallest kappa.

    Args:
        names: of the attacks; without any, all of them.
    """
    trials = evidence.minimal(*names)
    smallest: dict[tuple[str, str], TrialOutcomes] = {}
    for trial in sorted(trials, key=lambda trial: kappa(trial.attack)):
        smallest.setdefault((trial.attack.name, trial.goal), trial)
    chosen = {id(trial) for trial in smallest.values()}
    return [trial for trial in trials if id(trial) in chosen]
