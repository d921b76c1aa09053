"""The worst case over stored rows of several attacks: ``worst:apgd*,square*``, without a new pass.

The attacks have one norm, and those with a budget the same one, at which the others are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.analysis.attacks import WORST
from harness.analysis.budgets import Budgets, matching, read_at, speaks, together, trial_at
from harness.analysis.results import SuiteResults, Trial
from harness.api import Goal
from harness.api.facts import SuiteAttack
from harness.errors import ConfigError
from harness.plugins import unknown
from harness.store.read.cells import StoredCell

OPTION = "--attack"


def trial_of(
    suite: SuiteResults, attack: str | None, goal: str | None, at: Budgets | None = None
) -> Trial:
    """The attack and goal asked for, ``at`` budgets or as attacked; ``worst:`` names several.

    Raises:
        ConfigError: see `SuiteResults.trial`, `budgets.trial_at` and `worst_case`.
    """
    if attack is not None and attack.startswith(WORST):
        return worst_case(suite, attack.removeprefix(WORST), goal, at)
    return suite.trial(attack, goal) if at is None else trial_at(suite, at, attack, goal)


def worst_case(
    suite: SuiteResults, asked: str, goal: str | None = None, at: Budgets | None = None
) -> Trial:
    """The attacks that names or globs stand for, as one.

    An image is broken if any of them broke it, within their budget; without a budget its distance
    is the smallest one. The rows are of one seed, and of the same numerics and data.

    Args:
        goal: None: random if all of them pursue it, else the first that they do.
        at: the budget to read all of them at; with norms it is `budgets.trial_at` itself.

    Raises:
        ConfigError: there is no such attack, they differ in norm or budget, have no goal in common
            or none has results for it.
    """
    if at is not None and None not in at:
        return trial_at(suite, at, asked, goal)
    chosen = matching(suite, asked)
    _must_agree("norms", {each.norm: each.label for each in chosen})
    fixed = {each.budget: each.label for each in chosen if each.budget is not None}
    if at is None:
        _must_agree("budgets", {f"{budget:g}": label for budget, label in fixed.items()})
    wanted = _goal(chosen, goal)
    trials = _of_one_seed(suite, [suite.trial(each.label, wanted) for each in chosen])
    found = [each for each in trials if each.cells]
    if not found:
        raise ConfigError(
            f"no attack of {asked} has results for goal {wanted}",
            where=OPTION,
            hint="`harness status` says what has run",
        )
    without = [each.attack.label for each in trials if not each.cells]
    budget = at[None] if at else next(iter(fixed), None)
    if budget is not None:
        found = [_read(each, budget) for each in found]
    whole = together(found)
    note = f"no results for goal {wanted}, so not counted: {', '.join(without)}"
    return replace(whole, notes=(*whole.notes, note)) if without else whole


def _must_agree(what: str, found: Mapping[str, str]) -> None:
    """
    Raises:
        ConfigError: there is more than one key; the values are labels.
    """
    if len(found) > 1:
        each = ", ".join(f"{name} ({label})" for name, label in found.items())
        raise ConfigError(
            f"a worst case of several {what}: {each}",
            where=OPTION,
            hint="choose attacks of one, or read all at budgets: --at linf=4/255,l2=0.5",
        )


def _goal(attacks: Sequence[SuiteAttack], asked: str | None) -> str:
    """The goal asked for; else random, or the first one that all attacks pursue."""
    common = [goal for goal in attacks[0].goals if all(goal in each.goals for each in attacks)]
    if asked is not None and asked not in common:
        raise unknown("goal of all these attacks", asked, common, where="--goal", listed=True)
    if not common:
        raise ConfigError(
            "these attacks have no goal in common", where=OPTION, hint="choose fewer of them"
        )
    return asked or (Goal.RANDOM if Goal.RANDOM in common else common[0])


def _of_one_seed(suite: SuiteResults, trials: Sequence[Trial]) -> list[Trial]:
    """The trials with the cells of the seed, numerics and data that the latest of all cells has."""
    every = [cell for trial in trials for cell in trial.cells.values()]
    last = max(every, key=lambda cell: cell.latest, default=None)
    return [trial if last is None else _beside(suite, trial, last) for trial in trials]


def _beside(suite: SuiteResults, trial: Trial, last: StoredCell) -> Trial:
    """A trial with its cells of the seed, numerics and data of ``last``."""
    if all(_group(cell) == _group(last) for cell in trial.cells.values()):
        return trial
    label, goal = trial.attack.label, trial.goal
    cells = sorted(
        (
            cell
            for cell in suite.cells
            if cell.task is not None
            and (cell.task.kind, cell.label, cell.goal) == ("attack", label, goal)
            and _group(cell) == _group(last)
        ),
        key=lambda cell: cell.latest,
    )
    version = cells[-1].task if cells else None
    own = {cell.model: cell for cell in cells if cell.task == version}
    return replace(trial, cells=own, seed=last.seed or 0, policy=last.policy)


def _group(cell: StoredCell) -> tuple[object, ...]:
    return cell.seed, cell.policy, cell.dataset_id


def _read(trial: Trial, budget: float) -> Trial:
    """A trial at ``budget``.

    Raises:
        ConfigError: its attack looked at another one alone.
    """
    if not speaks(trial.attack, budget):
        raise ConfigError(
            f"{trial.attack.label} looked at {trial.attack.norm} {trial.attack.budget:g} alone: it"
            f" cannot say what is robust at {budget:g}",
            where=OPTION,
            hint="leave it out",
        )
    return read_at(trial, budget)
