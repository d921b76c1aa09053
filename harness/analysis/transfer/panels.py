"""Which panel is asked for: a trial of the suite with transfers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.analysis.attacks import named, unknown_attack
from harness.analysis.results import SuiteResults, Trial
from harness.errors import ConfigError
from harness.plugins import unknown


def no_transfers(suite: SuiteResults) -> ConfigError:
    """The error of a suite without panels."""
    return ConfigError(
        f"suite {suite.name!r} has no transfers",
        hint="a run makes them where the suite has `transfer` and attacks with `keep: true`",
    )


def chosen_panel(
    suite: SuiteResults, *, attack: str | None, goal: str | None, epsilon: float | None
) -> tuple[Trial, tuple[str, ...]]:
    """The first of the panels asked for, and notes on what was chosen by default.

    Args:
        attack: its label, its name or a glob on either; None for any.
        epsilon: the declared budget; None for any.

    Raises:
        ConfigError: there are no panels, or none with this attack, budget or goal.
    """
    offered = suite.panels()
    if not offered:
        raise no_transfers(suite)
    left = offered if attack is None else _named(offered, attack)
    if epsilon is not None:
        left = _within(left, epsilon)
    if goal is not None:
        goals = dict.fromkeys(panel.goal for panel in left)
        left = [panel for panel in left if panel.goal == goal]
        if not left:
            raise unknown("goal with transfers", goal, goals, where="--goal", listed=True)
    return left[0], tuple(_notes(left, goal_asked=goal is not None))


def _named(offered: Sequence[Trial], asked: str) -> list[Trial]:
    """By label, else by name, else by glob on either, as a leaderboard finds attacks."""
    attacks = {panel.attack.label: panel.attack for panel in offered}
    exact = [attacks[asked]] if asked in attacks else []
    for found in (exact, *named(asked, attacks.values())):
        if found:
            labels = {attack.label for attack in found}
            return [panel for panel in offered if panel.attack.label in labels]
    names = dict.fromkeys(
        name for panel in offered for name in (panel.attack.name, panel.attack.label)
    )
    raise unknown_attack("attack with transfers", asked, names)


def _within(panels: Sequence[Trial], epsilon: float) -> list[Trial]:
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


def _notes(left: Sequence[Trial], *, goal_asked: bool) -> Iterable[str]:
    chosen = left[0]
    labels = dict.fromkeys(panel.attack.label for panel in left)
    others = [label for label in labels if label != chosen.attack.label]
    if others:
        yield f"{chosen.attack.label} is shown; there are also transfers of {'; '.join(others)}"
    goals = [panel.goal for panel in left if panel.attack == chosen.attack]
    if len(goals) > 1 and not goal_asked:
        yield f"goal {chosen.goal} is shown; there are also transfers for {', '.join(goals[1:])}"
