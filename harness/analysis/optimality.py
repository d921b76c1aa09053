"""How near attacks come to the smallest known distortions: one row an attack, norm and goal.

The idea is AttackBench's optimality (Cinà et al. 2024, arXiv 2404.19460), which compares areas
under security curves; here it is image by image. For a model (its weights), an image, a goal and
the class that the goal names, d* is the smallest distortion that any stored attack of the same
declared norm found, whatever its suite. An attack that broke the image at d has the gap 1 - d*/d,
one that did not the gap 1; its optimality is 1 minus the mean gap over the images that it tried and
that any attack broke.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection

from harness.analysis.selection import BoardAttack, Selection, chosen_suite, select
from harness.analysis.statistics import bounds, mean, median_with_failures
from harness.errors import ConfigError
from harness.plugins import unknown
from harness.store.read import cells as stored
from harness.store.read.optimality import Tried, tried

VERDICTS = ("broken", "robust")

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
        images: the pairs that its cells take; ``attacked`` of them have a verdict.
        without: those that have none: errors, invalid candidates and missing outcomes.
        median: of the distortions, failures being infinite; None without a verdict.
        compared: the attacked pairs that some attack broke; ``unsolved`` ones are left out.
        optimality: 1 minus the mean gap over the compared pairs; None without any.
        best: how many of the compared pairs have no smaller known distortion; ties count for all.
        rivals: other attacks, or other parameters, of the norm and goal that tried some of them.
        alone: the compared pairs that no rival tried.
        forwards, backwards: image passes an attacked pair, on average.
        not_run: the models of the suite without a cell of this attack and goal.
    """

    attack: BoardAttack
    goal: str
    seed: int
    dataset: str
    images: int
    attacked: int
    broken: int
    without: int
    median: float | None
    compared: int
    optimality: float | None
    best: int
    rivals: int
    alone: int
    forwards: float | None
    backwards: float | None
    not_run: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def success(self) -> float | None:
        return self.broken / self.attacked if self.attacked else None

    @property
    def success_bounds(self) -> tuple[float, float] | None:
        """What the success can be, whatever the images without a verdict would have become."""
        return bounds(self.broken, self.attacked, self.without)

    @property
    def unsolved(self) -> int:
        return self.attacked - self.compared

    @property
    def best_share(self) -> float | None:
        return self.best / self.compared if self.compared else None

    @property
    def complete(self) -> bool:
        return bool(self.images) and not self.without and not self.not_run


@dataclass(frozen=True, slots=True)
class Contest:
    """The attacks of a suite, those of one norm and goal together, the most optimal first."""

    suite: str
    rows: tuple[Quality, ...]


def contest(db: Connection, *, suite: str | None = None, goal: str | None = None) -> Contest:
    """The attacks of a suite, by default the latest run's, under one goal or all of theirs.

    Raises:
        ConfigError: there are no runs, or no such suite or goal.
    """
    suite = chosen_suite(stored.suites(db), suite)
    rows: list[Quality] = []
    for (norm, pursued), selections in _groups(_selections(db, suite, goal)).items():
        models = {cell.model_id for each in selections for cell in each.cells.values()}
        outcomes = tried(db, norm=norm, goal=pursued, models=models)
        known = best_known(row for cell in outcomes.values() for row in cell.values())
        found = [_of(db, selection, outcomes, known) for selection in selections]
        rows += sorted(found, key=_badness)
    return Contest(suite, tuple(rows))


def _badness(row: Quality) -> float:
    return math.inf if row.optimality is None else -row.optimality


def best_known(rows: Iterable[Tried]) -> dict[Problem, Known]:
    """What is known about each problem, from the outcomes of attacks of one norm and goal."""
    smallest: dict[Problem, float] = {}
    attacks: dict[Problem, set[int]] = {}
    for row in rows:
        if row.status not in VERDICTS:
            continue
        problem = problem_of(row)
        attacks.setdefault(problem, set()).add(row.attack_id)
        if row.distortion is not None:
            smallest[problem] = min(row.distortion, smallest.get(problem, row.distortion))
    return {
        problem: Known(smallest.get(problem), frozenset(those))
        for problem, those in attacks.items()
    }


def problem_of(row: Tried) -> Problem:
    return row.model_id, row.image_id, row.target


def relative_gap(distortion: float | None, smallest: float) -> float:
    """How much of a distortion is in excess of the smallest known one: 1 - d*/d, in [0, 1).

    A failure (None) has the gap 1. Nothing is smaller than 0, which thus has no gap.
    """
    if distortion is None:
        return 1.0
    return 1 - smallest / distortion if distortion else 0.0


def _ties(distortion: float | None, smallest: float) -> bool:
    return distortion is not None and math.isclose(distortion, smallest, rel_tol=TIE)


def _selections(db: Connection, suite: str, goal: str | None) -> list[Selection]:
    """The latest run's cells of each attack of the suite, under ``goal`` or each of its goals."""
    definition, cells = stored.definition(db, suite), stored.suite_cells(db, suite)
    labels = dict.fromkeys(
        [entry["label"] for entry in definition["attacks"]]
        + [cell.label for cell in cells if cell.attack is not None]
    )
    if not labels:
        raise ConfigError(f"suite {suite!r} has no attacks", hint="a comparison needs some")

    def chosen(label: str, goal: str | None) -> Selection:
        return select(suite, definition, cells, attack=label, goal=goal)

    goals = {label: chosen(label, None).attack.goals for label in labels}
    known = {each for those in goals.values() for each in those}
    if goal is not None and goal not in known:
        raise unknown(
            "goal of the suite", goal, known, where="--goal", see=", ".join(sorted(known))
        )
    return [
        chosen(label, each) for label in labels for each in goals[label] if goal in (None, each)
    ]


def _groups(selections: Iterable[Selection]) -> Mapping[tuple[str, str], list[Selection]]:
    """Those of one norm and goal together, in the suite's order."""
    groups: dict[tuple[str, str], list[Selection]] = {}
    for selection in selections:
        groups.setdefault((selection.attack.norm, selection.goal), []).append(selection)
    return groups


def _of(
    db: Connection,
    selection: Selection,
    outcomes: Mapping[int, Mapping[int, Tried]],
    known: Mapping[Problem, Known],
) -> Quality:
    """The row of one attack and goal: its cells' outcomes on the images of the suite's runs."""
    rows: list[Tried | None] = []
    images: dict[stored.Runs, frozenset[int]] = {}
    for cell in selection.cells.values():
        if cell.runs not in images:
            images[cell.runs] = stored.images_of(db, cell.runs)
        rows += [outcomes.get(cell.id, {}).get(image) for image in images[cell.runs]]
    return quality(selection, rows, known)


def quality(
    selection: Selection, rows: Sequence[Tried | None], known: Mapping[Problem, Known]
) -> Quality:
    """One attack's numbers.

    Args:
        rows: the outcome of each (model, image) pair; None where it is missing.
        known: `best_known` of all stored attacks of the norm and goal, these rows among them.
    """
    attacked = [row for row in rows if row is not None and row.status in VERDICTS]
    solved = [(row, known[problem_of(row)]) for row in attacked]
    compared = [(row, about, about.smallest) for row, about in solved if about.smallest is not None]
    gaps = [relative_gap(row.distortion, smallest) for row, _, smallest in compared]
    broken = [row.distortion for row in attacked if row.distortion is not None]
    others = {
        attack for row, about in solved for attack in about.attacks if attack != row.attack_id
    }
    return Quality(
        attack=selection.attack,
        goal=selection.goal,
        seed=selection.seed,
        dataset=selection.dataset,
        images=len(rows),
        attacked=len(attacked),
        broken=len(broken),
        without=sum(row is None or row.status in ("invalid", "error") for row in rows),
        median=median_with_failures(broken, len(attacked) - len(broken)),
        compared=len(compared),
        optimality=1 - sum(gaps) / len(gaps) if gaps else None,
        best=sum(_ties(row.distortion, smallest) for row, _, smallest in compared),
        rivals=len(others),
        alone=sum(about.attacks <= {row.attack_id} for row, about, _ in compared),
        forwards=mean([row.forwards for row in attacked]),
        backwards=mean([row.backwards for row in attacked]),
        not_run=tuple(model for model in selection.models if model not in selection.cells),
        notes=selection.notes,
    )
