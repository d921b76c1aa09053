"""The panels of a suite that have transfers, and which one is meant."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from sqlite3 import Connection

from harness.analysis.selection import BoardAttack, Selection, select, unknown_attack
from harness.errors import ConfigError
from harness.store.read import cells as queries
from harness.store.read import transfers as transferred


@dataclass(frozen=True, slots=True)
class Panel:
    """What has transfers: an attack with its parameters, and a goal."""

    attack: BoardAttack
    goal: str


def stored_panels(db: Connection, suite: str) -> dict[Panel, Selection]:
    """The panels that have transfers, in the suite's order, each with the cells of its board."""
    definition = queries.definition(db, suite)
    cells = queries.suite_cells(db, suite)
    linked = transferred.linked_cells(db)
    attacked = [cell.label for cell in cells if cell.attack is not None]
    found: dict[Panel, Selection] = {}
    for label in dict.fromkeys([*(entry["label"] for entry in definition["attacks"]), *attacked]):
        offered = select(suite, definition, cells, attack=label, goal=None).attack
        for goal in offered.goals:
            board = select(suite, definition, cells, attack=label, goal=goal)
            targets = [clean.id for clean in board.clean.values()]
            if any((cell.id, own) in linked for cell in board.cells.values() for own in targets):
                found[Panel(board.attack, goal)] = board
    return found


def chosen_panel(
    suite: str,
    offered: Sequence[Panel],
    *,
    attack: str | None,
    goal: str | None,
    epsilon: float | None,
) -> tuple[Panel, tuple[str, ...]]:
    """The first of the panels that are meant, and what was chosen without being asked for.

    Args:
        attack: its label, its name or a glob on either; None for any.
        epsilon: the declared budget; None for any.

    Raises:
        ConfigError: there are no panels, or none with this attack, budget or goal.
    """
    if not offered:
        raise ConfigError(
            f"suite {suite!r} has no transfers",
            hint="a run makes them where the suite has `transfer` and attacks with `keep: true`",
        )
    left = _named(offered, attack)
    if epsilon is not None:
        left = _within(left, epsilon)
    goals = list(dict.fromkeys(panel.goal for panel in left))
    if goal is not None:
        left = [panel for panel in left if panel.goal == goal]
        if not left:
            raise _unknown("--goal", "goal with transfers", goal, goals)
    chosen = left[0]
    return chosen, tuple(_notes(chosen, left, goal_asked=goal is not None))


def _named(offered: Sequence[Panel], asked: str | None) -> list[Panel]:
    """By label, else by name, else by glob on either, as a leaderboard finds attacks."""
    if asked is None:
        return list(offered)
    for found in (
        [panel for panel in offered if panel.attack.label == asked],
        [panel for panel in offered if panel.attack.name == asked],
        [
            panel
            for panel in offered
            if fnmatchcase(panel.attack.label, asked) or fnmatchcase(panel.attack.name, asked)
        ],
    ):
        if found:
            return found
    names: Mapping[str, None] = dict.fromkeys(
        name for panel in offered for name in (panel.attack.name, panel.attack.label)
    )
    raise unknown_attack("attack with transfers", asked, names)


def _within(panels: Sequence[Panel], epsilon: float) -> list[Panel]:
    budgets = {panel.attack.budget: None for panel in panels}
    found = [
        panel
        for panel in panels
        if panel.attack.budget is not None and math.isclose(panel.attack.budget, epsilon)
    ]
    if not found:
        there = ", ".join(f"{budget:g}" for budget in budgets if budget is not None)
        raise ConfigError(
            f"no such attack with epsilon {epsilon:g} has transfers",
            where="--epsilon",
            hint=f"there are: {there}" if there else "these attacks have no fixed budget",
        )
    return found


def _notes(chosen: Panel, left: Sequence[Panel], *, goal_asked: bool) -> Iterable[str]:
    labels = dict.fromkeys(panel.attack.label for panel in left)
    others = [label for label in labels if label != chosen.attack.label]
    if others:
        yield f"{chosen.attack.label} is shown; transfers also of: {'; '.join(others)}"
    goals = [panel.goal for panel in left if panel.attack == chosen.attack]
    if len(goals) > 1 and not goal_asked:
        yield f"goal {chosen.goal} is shown; transfers also for: {', '.join(goals[1:])}"


def _unknown(option: str, what: str, asked: str, names: Iterable[str]) -> ConfigError:
    names = list(names)
    near = difflib.get_close_matches(asked, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
    return ConfigError(f"unknown {what} {asked!r}", where=option, hint=hint)
