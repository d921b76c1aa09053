"""Robust accuracy at any budget, read off stored rows; several attacks and norms together.

An attack that minimises the distortion says what is broken at every budget: what it broke within
it. One with a budget of its own says it at that budget alone: below, most of what it broke lies
beyond; above, it never looked. An image is robust under several attacks if it is under each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from harness.analysis.attacks import unknown_attack
from harness.analysis.results import Outcomes, SuiteResults, Trial
from harness.api import NORMS, Goal, Status
from harness.api.attacked import OutcomeRow
from harness.api.facts import SuiteAttack
from harness.errors import ConfigError
from harness.plugins import unknown
from harness.store.read.cells import StoredCell

OPTION = "--at"
TOLERANCE = 1e-6
"""Relative: two budgets that differ by less are one, as for the engine's verdicts."""
HALF_ULP = 2.0**-25
"""A linf pixel may be the float32 nearest to the ball's face, in [0, 1]."""

Budgets = Mapping[str | None, float]
"""The budget of each norm; under None that of the attack's own norm."""


def parsed(text: str | float) -> Budgets:
    """``4/255`` or ``0.5``; for several norms ``linf=4/255,l2=0.5``.

    Raises:
        ConfigError: it is neither, a norm comes twice, or a budget is not a number above 0.
    """
    found: dict[str | None, float] = {}
    for item in str(text).split(","):
        norm, equals, number = item.rpartition("=")
        name = norm.strip() if equals else None
        if name is not None and name not in NORMS:
            raise unknown("norm", name, NORMS, where=OPTION, listed=True)
        if name in found or (found and None in (name, *found)):
            raise ConfigError(
                f"{str(text)!r} gives two budgets for one norm",
                where=OPTION,
                hint="linf=4/255,l2=0.5",
            )
        found[name] = _number(number.strip())
    return found


def _number(text: str) -> float:
    above, slash, below = text.partition("/")
    try:
        value = float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not 0 < value < math.inf:
        raise ConfigError(
            f"{text!r} is not a budget", where=OPTION, hint="a number above 0, such as 4/255 or 0.5"
        )
    return value


def within(distance: float, norm: str, budget: float) -> bool:
    """Whether a perturbation keeps to a budget, by the engine's tolerance."""
    slack = HALF_ULP if norm == "linf" else 0.0
    return distance <= budget * (1 + TOLERANCE) + slack


def row_at(row: OutcomeRow, norm: str, budget: float) -> OutcomeRow:
    """An outcome at a budget: what is broken beyond it counts as robust."""
    distance = row.distortion(norm)
    if distance is None or within(distance, norm, budget):
        return row
    return row._replace(status=Status.ROBUST, confident=False)


def weakest(rows: Sequence[OutcomeRow | None], norm: str = "") -> OutcomeRow | None:
    """An image's outcome under several attacks together; None: one of them has not tried it.

    Broken by one is broken, whatever others have not tried: of several the nearest in ``norm``.
    Robust is what is robust under all, and has no failure among them. Passes are those of all.
    """
    found = [row for row in rows if row is not None]
    broken = [row for row in found if row.status is Status.BROKEN]
    if len(found) < len(rows) and not broken:
        return None
    worst = min(
        broken or found,
        key=lambda row: (_ORDER.index(row.status), row.distortion(norm) or 0.0),
        default=None,
    )
    return worst and worst._replace(
        forwards=sum(row.forwards for row in found),
        backwards=sum(row.backwards for row in found),
    )


_ORDER = (
    Status.BROKEN,
    Status.CLEAN_WRONG,
    Status.INVALID,
    Status.ERROR,
    Status.ROBUST,
)


@dataclass(frozen=True, slots=True)
class AtBudget(Trial):
    """A trial whose outcomes are those at the budget that its attack has here.

    Attributes:
        attacked: the trial as it was attacked.
    """

    attacked: Trial

    def outcomes(self, model: str) -> Outcomes:
        norm, budget = self.attack.norm, self.attack.budget
        assert budget is not None
        return {
            image: None if row is None else row_at(row, norm, budget)
            for image, row in self.attacked.outcomes(model).items()
        }


@dataclass(frozen=True, slots=True)
class Together(Trial):
    """Several attacks taken together, image by image: those that all of them take.

    Attributes:
        parts: of one goal, each at its budget.
        cells: of each model the latest of its cells in the parts; others of the same weights count.
    """

    parts: tuple[Trial, ...]

    def outcomes(self, model: str) -> Outcomes:
        every = [part.outcomes(model) for part in self.parts]
        images, norm = set.intersection(*map(set, every)), self.attack.norm
        return {image: weakest([rows.get(image) for rows in every], norm) for image in images}


def trial_at(
    suite: SuiteResults, budgets: Budgets, attack: str | None = None, goal: str | None = None
) -> Trial:
    """The attacks asked for at ``budgets``; without a goal untargeted, where it has results.

    Args:
        attack: without norms one attack, as of `SuiteResults.trial`; with norms names or globs,
            separated by commas; None: all that have results and speak at the budget of their norm.

    Raises:
        ConfigError: there is no such attack or goal, or none that speaks at a budget.
    """
    if None in budgets:
        return _one(suite, budgets[None], attack, goal)
    chosen = matching(suite, attack)
    wanted = goal or _goal(suite, chosen, budgets)
    trials = _ran(suite, chosen, wanted)
    norms = [
        together([read_at(each, budget) for each in _speaking(trials, norm, budget, wanted)])
        for norm, budget in budgets.items()
        if norm is not None
    ]
    return together(norms)


def _one(suite: SuiteResults, budget: float, attack: str | None, goal: str | None) -> Trial:
    trial = suite.trial(attack, goal)
    if goal is None and Goal.UNTARGETED in trial.attack.goals:
        untargeted = suite.trial(trial.attack.label, Goal.UNTARGETED)
        trial = untargeted if untargeted.cells else trial
    if not speaks(trial.attack, budget):
        own = trial.attack.budget
        raise ConfigError(
            f"{trial.attack.label} looked at {trial.attack.norm} {own:g} alone: it cannot say what"
            f" is robust at {budget:g}",
            where=OPTION,
            hint="choose an attack that minimises the distortion, or run it with this budget",
        )
    return read_at(trial, budget)


def matching(suite: SuiteResults, asked: str | None) -> list[SuiteAttack]:
    """The suite's attacks that names or globs stand for; None: all."""
    every = list(suite.attacks.values())
    if not every:
        raise suite.no_attacks()
    if asked is None:
        return every
    globs = [glob.strip() for glob in asked.split(",")]
    for glob in globs:
        if not any(_matches(each, glob) for each in every):
            raise unknown_attack("attack", glob, suite.attacks)
    return [each for each in every if any(_matches(each, glob) for glob in globs)]


def _matches(attack: SuiteAttack, glob: str) -> bool:
    return any(name == glob or fnmatchcase(name, glob) for name in (attack.name, attack.label))


def _ran(suite: SuiteResults, attacks: Sequence[SuiteAttack], goal: str) -> list[Trial]:
    """The attacks with results for a goal."""
    able = (suite.trial(each.label, goal) for each in attacks if goal in each.goals)
    return [trial for trial in able if trial.cells]


def _goal(suite: SuiteResults, attacks: Sequence[SuiteAttack], budgets: Budgets) -> str:
    """The first goal, untargeted before others, for which there are results at all budgets."""
    goals = dict.fromkeys([Goal.UNTARGETED, *(goal for each in attacks for goal in each.goals)])
    for goal in goals:
        speaking = [each.attack for each in _ran(suite, attacks, goal)]
        if all(
            any(each.norm == norm and speaks(each, budget) for each in speaking)
            for norm, budget in budgets.items()
        ):
            return goal
    return Goal.UNTARGETED


def _speaking(trials: Sequence[Trial], norm: str, budget: float, goal: str) -> list[Trial]:
    own = [trial for trial in trials if trial.attack.norm == norm]
    found = [trial for trial in own if speaks(trial.attack, budget)]
    if not found:
        others = ", ".join(trial.attack.label for trial in own)
        raise ConfigError(
            f"no attack with results says what is robust at {norm} {budget:g}, goal {goal}",
            where=OPTION,
            hint=f"of other budgets there are: {others}"
            if others
            else f"run one of norm {norm}, or name other norms",
        )
    return found


def speaks(attack: SuiteAttack, budget: float) -> bool:
    """Whether an attack tells what is broken and what is robust at ``budget``."""
    return attack.budget is None or math.isclose(attack.budget, budget, rel_tol=TOLERANCE)


def read_at(trial: Trial, budget: float) -> Trial:
    """A trial at a budget; one with this budget of its own as it is."""
    if trial.attack.budget is not None:
        return trial
    attack = trial.attack
    label = f"{attack.label} at {attack.norm} {budget:g}"
    return AtBudget(
        results=trial.results,
        suite=trial.suite,
        dataset=trial.dataset,
        attack=replace(attack, label=label, budget=budget),
        goal=trial.goal,
        seed=trial.seed,
        policy=trial.policy,
        models=trial.models,
        cells=trial.cells,
        clean=trial.clean,
        notes=trial.notes,
        attacked=trial,
    )


def together(trials: Sequence[Trial]) -> Trial:
    """Trials of one suite and goal as one; a single one as it is.

    Each is at its budget; or all have one norm and none has a budget.
    """
    first = trials[0]
    if len(trials) == 1:
        return first
    cells = _latest(each.cells for each in trials)
    parts = tuple(_of_weights(each, cells) for each in trials)
    attacks = [each.attack for each in parts]
    norms = {each.norm: each.budget for each in attacks}
    within = ", ".join(
        norm if budget is None else f"{norm} {budget:g}" for norm, budget in norms.items()
    )
    alike = len(norms) == 1
    budget = attacks[0].budget if alike else None
    dropped = [
        f"{model} under {each.attack.label}"
        for each, part in zip(trials, parts, strict=True)
        for model in each.cells.keys() - part.cells.keys()
    ]
    notes = [note for each in trials for note in each.notes]
    if dropped:
        notes.append(f"of other weights or data, so not counted: {', '.join(sorted(dropped))}")
    return Together(
        results=first.results,
        suite=first.suite,
        dataset=first.dataset,
        attack=SuiteAttack(
            name="worst case",
            label=f"worst case of {len(attacks)} attacks {'at' if budget else 'in'} {within}"
            if alike
            else f"union of {within}",
            norm=attacks[0].norm if alike else "",
            budget=budget,
            goals=(first.goal,),
            members=tuple(attacks),
        ),
        goal=first.goal,
        seed=first.seed,
        policy=first.policy,
        models=tuple(dict.fromkeys(model for each in trials for model in each.models)),
        cells=cells,
        clean={
            model: cell
            for each in trials
            for model, cell in each.clean.items()
            if model not in cells or each.cells.get(model) == cells[model]
        },
        notes=tuple(dict.fromkeys(notes)),
        parts=parts,
    )


def as_attacked(trial: Trial) -> Iterator[Trial]:
    """The trials behind one that is read at a budget, or several together, as they were run."""
    if isinstance(trial, Together):
        for part in trial.parts:
            yield from as_attacked(part)
    else:
        yield trial.attacked if isinstance(trial, AtBudget) else trial


def _latest(found: Iterable[Mapping[str, StoredCell]]) -> dict[str, StoredCell]:
    """Each model's cell of the latest run."""
    latest: dict[str, StoredCell] = {}
    for cells in found:
        for model, cell in cells.items():
            if model not in latest or cell.latest > latest[model].latest:
                latest[model] = cell
    return latest


def _of_weights(trial: Trial, latest: Mapping[str, StoredCell]) -> Trial:
    """The trial without cells of other weights or data than the latest ones."""

    def same(cell: StoredCell) -> bool:
        own = latest[cell.model]
        return (cell.model_id, cell.dataset_id, cell.verdicts) == (
            own.model_id,
            own.dataset_id,
            own.verdicts,
        )

    cells = {model: cell for model, cell in trial.cells.items() if same(cell)}
    if isinstance(trial, Together):
        parts = tuple(_of_weights(part, latest) for part in trial.parts)
        return replace(trial, cells=cells, parts=parts)
    if isinstance(trial, AtBudget):
        return replace(trial, cells=cells, attacked=replace(trial.attacked, cells=cells))
    return replace(trial, cells=cells)
