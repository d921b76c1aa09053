"""How close attacks get to the smallest known distortions: one row per attack, norm and goal.

The idea is AttackBench's optimality (Cinà et al. 2024, arXiv 2404.19460), which is another number:
1 minus the excess area under the security curve. Here it is image by image. For a model (its
weights), an image, a goal and the target class, d* is the smallest distortion that any stored
attack of the same declared norm found, whatever its suite. An attack that broke the image at d has
the gap 1 - d*/d, one that did not the gap 1; its optimality is 1 minus the mean gap over the images
that it tried and that any attack broke.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from harness.analysis.indicated import of_attack
from harness.analysis.indicators import Indicator
from harness.analysis.place import attacked_of
from harness.analysis.progress import Progress, progress
from harness.analysis.results import Results, SuiteResults, Trial
from harness.api.attacked import Attacked, OutcomeRow
from harness.store.read.cells import attack_cells

TIE = 1e-6
"""Relative; distortions that differ by less are one: float32 rounds a budget both ways."""

Problem = tuple[int, int, int | None]
"""What attacks are compared on: model id, image id, class to reach (None where untargeted)."""


@dataclass(frozen=True, slots=True)
class Known:
    """What all stored attacks of a norm and goal did about one problem.

    Attributes:
        smallest: d*, the smallest distortion of a success; None where no attack succeeded.
        attacks: the ids of the attacks, with their parameters, that tried and got a verdict.
    """

    smallest: float | None
    attacks: frozenset[int]


@dataclass(frozen=True, slots=True)
class Quality:
    """One attack against its rivals, over the (model, image) pairs of its suite.

    Attributes:
        outcomes: those of all its cells, of which any pair without a verdict could be a success.
        compared: the attacked pairs that some attack broke; ``unsolved`` ones are left out.
        optimality: 1 minus the mean gap over the compared pairs; None without any.
        best: how many of the compared pairs have no smaller known distortion; ties count for all.
        rivals: other attacks, or other parameters, of the norm and goal that tried some of them.
        alone: the compared pairs that no rival tried.
        progress: distances and optimality within numbers of passes; None: no queries are stored.
        indicators: what is said of the attack's results on some of the models.
    """

    trial: Trial
    outcomes: Attacked
    compared: int
    optimality: float | None
    best: int
    rivals: int
    alone: int
    progress: Progress | None = None
    indicators: tuple[Indicator, ...] = ()

    @property
    def unsolved(self) -> int:
        return self.outcomes.attacked - self.compared

    @property
    def best_share(self) -> float | None:
        return self.best / self.compared if self.compared else None

    @property
    def not_run(self) -> list[str]:
        """The models of the suite without a cell of this attack and goal."""
        return [model for model in self.trial.models if model not in self.trial.cells]

    @property
    def complete(self) -> bool:
        return bool(self.outcomes.images) and not self.outcomes.without and not self.not_run


@dataclass(frozen=True, slots=True)
class Contest:
    """The attacks of a suite, those of one norm and goal together, the most optimal first."""

    suite: str
    rows: tuple[Quality, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """One verdict of an attack, with its parameters, on a problem."""

    problem: Problem
    attack_id: int
    distortion: float | None


def contest(suite: SuiteResults, goal: str | None = None, passes: int | None = None) -> Contest:
    """The attacks of a suite under one goal or all of theirs.

    Args:
        passes: a number of passes that each one's progress is wanted at, besides the usual ones.

    Raises:
        ConfigError: there is no such goal, or no attack.
    """
    trials = suite.trials(goal=goal)
    if not trials:
        raise suite.no_attacks()
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.attack.norm, trial.goal), []).append(trial)
    rows: list[Quality] = []
    for (norm, pursued), rivals in groups.items():
        models = {cell.model_id for trial in rivals for cell in trial.cells.values()}
        tried = _tried(suite.results.outcomes, suite.results, norm, pursued, models)
        known = best_known(each for cell in tried.values() for each in cell.values())
        found = [_quality(trial, tried, known) for trial in rivals]
        if any(suite.results.keeps(cell.id) for trial in rivals for cell in trial.cells.values()):
            best = _tried(suite.results.best_outcomes, suite.results, norm, pursued, models)
            nearest = best_known(each for cell in best.values() for each in cell.values())
            found = [
                replace(each, progress=_progress(each.trial, best, nearest, passes))
                for each in found
            ]
        rows += sorted(found, key=_badness)
    return Contest(suite.name, tuple(rows))


def _badness(row: Quality) -> float:
    return math.inf if row.optimality is None else -row.optimality


def _tried(
    outcomes: Callable[[int], Mapping[int, OutcomeRow]],
    results: Results,
    norm: str,
    goal: str,
    models: Iterable[int],
) -> dict[int, dict[int, Tried]]:
    """All verdicts of attacks with this declared norm and goal, by cell and image."""
    found = {}
    cells = attack_cells(results.db, norm=norm, goal=goal, models=models)
    for cell, (model, attack) in cells.items():
        found[cell] = {
            image: Tried((model, image, row.target), attack, row.distortion(norm))
            for image, row in outcomes(cell).items()
            if row.status.judged
        }
    return found


def best_known(tried: Iterable[Tried]) -> dict[Problem, Known]:
    """What is known about each problem, from the verdicts of attacks of one norm and goal."""
    smallest: dict[Problem, float] = {}
    attacks: dict[Problem, set[int]] = {}
    for each in tried:
        attacks.setdefault(each.problem, set()).add(each.attack_id)
        if each.distortion is not None:
            least = smallest.get(each.problem, each.distortion)
            smallest[each.problem] = min(each.distortion, least)
    return {
        problem: Known(smallest.get(problem), frozenset(those))
        for problem, those in attacks.items()
    }


def relative_gap(distortion: float | None, smallest: float) -> float:
    """How much of a distortion is in excess of the smallest known one: 1 - d*/d, in [0, 1).

    A failure (None) has the gap 1. Nothing is smaller than 0, which thus has no gap.
    """
    if distortion is None:
        return 1.0
    return 1 - smallest / distortion if distortion else 0.0


def _ties(distortion: float | None, smallest: float) -> bool:
    return distortion is not None and math.isclose(distortion, smallest, rel_tol=TIE)


def _quality(
    trial: Trial, tried: Mapping[int, Mapping[int, Tried]], known: Mapping[Problem, Known]
) -> Quality:
    """The numbers of one attack and goal, on the images of the suite's runs."""
    rows = {
        (model, image): row for model in trial.cells for image, row in trial.outcomes(model).items()
    }
    attacked = [
        tried[trial.cells[model].id][image]
        for (model, image), row in rows.items()
        if row is not None and row.status.judged
    ]
    solved = [(each, known[each.problem]) for each in attacked]
    compared = [
        (each, about, about.smallest) for each, about in solved if about.smallest is not None
    ]
    gaps = [relative_gap(each.distortion, smallest) for each, _, smallest in compared]
    others = {
        attack for each, about in solved for attack in about.attacks if attack != each.attack_id
    }
    return Quality(
        trial=trial,
        outcomes=attacked_of(dict(enumerate(rows.values())), {}, trial.attack.norm),
        compared=len(compared),
        optimality=1 - sum(gaps) / len(gaps) if gaps else None,
        best=sum(_ties(each.distortion, smallest) for each, _, smallest in compared),
        rivals=len(others),
        alone=sum(about.attacks <= {each.attack_id} for each, about, _ in compared),
        indicators=tuple(sign for model in trial.cells for sign in of_attack(trial, model)),
    )


def _progress(
    trial: Trial,
    tried: Mapping[int, Mapping[int, Tried]],
    known: Mapping[Problem, Known],
    passes: int | None,
) -> Progress | None:
    """The progress of one attack and goal; ``known`` holds best points too."""
    results, found, most = trial.results, [], 1
    for model, cell in trial.cells.items():
        traces = results.traces(cell.id)
        for image, row in trial.outcomes(model).items():
            if image in traces and row is not None:
                smallest = known[tried[cell.id][image].problem].smallest
                found.append((traces[image], smallest))
                most = max(most, row.forwards + row.backwards)
    return progress(found, most, passes) if found else None
