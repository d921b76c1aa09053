"""Which stored cells make up a board: one attack, goal, seed, policy and data set."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from harness.errors import ConfigError
from harness.plugins import Kind, installed
from harness.store.read.cells import StoredCell


@dataclass(frozen=True, slots=True)
class BoardAttack:
    """An attack of the suite, as its definition or its stored cells describe it.

    Attributes:
        parameters: all of them, where cells are stored; else those that are not their defaults.
    """

    name: str
    label: str
    norm: str
    budget: float | None
    goals: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Selection:
    """The cells of a board.

    Attributes:
        models: all models of the suite's runs, the latest run's first, with or without cells.
        cells, clean: each model's attack cell and clean cell, where there are any.
        notes: what was chosen without being asked for, or left aside.
    """

    suite: str
    dataset: str
    attack: BoardAttack
    goal: str
    seed: int
    models: tuple[str, ...]
    cells: Mapping[str, StoredCell]
    clean: Mapping[str, StoredCell]
    notes: tuple[str, ...]


def chosen_suite(stored: Sequence[str], asked: str | None) -> str:
    """The suite asked for, or the first of the ``stored`` ones.

    Raises:
        ConfigError: nothing is stored, or not the one asked for.
    """
    if not stored:
        raise ConfigError("the database holds no runs", hint="start with `harness run --suite ...`")
    if asked is not None and asked not in stored:
        raise ConfigError(
            f"no run of suite {asked!r} is stored",
            where="--suite",
            hint=f"there are: {', '.join(stored)}",
        )
    return asked or stored[0]


def select(
    suite: str,
    definition: Mapping[str, Any],
    stored: Sequence[StoredCell],
    *,
    attack: str | None,
    goal: str | None,
) -> Selection:
    """The cells of the board that ``attack`` and ``goal`` ask for, or of the default one.

    Args:
        definition: the suite as its latest run resolved it.
        stored: the cells of all the suite's runs.
        attack: an attack's name or label, or a glob; None for the default, which has the goal.

    Raises:
        ConfigError: the suite has no such attack or goal, or several attacks match.
    """
    attacked = [cell for cell in stored if cell.attack is not None]
    offered = _offered(definition, attacked)
    notes: list[str] = []
    if attack is None:
        chosen = _default_attack(suite, offered, attacked, goal, notes)
    else:
        chosen = _named_attack(attack, offered, definition)
    mine = [cell for cell in attacked if cell.label == chosen.label]
    wanted = _goal(chosen, goal, mine, notes)
    mine = [cell for cell in mine if cell.goal == wanted]
    latest = max(mine, key=lambda cell: (cell.last_run, cell.id), default=None)
    cells = _latest(cell for cell in mine if latest and _group(cell) == _group(latest))
    clean = _clean(stored, cells, latest)
    named = [str(name) for name in definition["models"]]
    # A run of some of the models hides none of the others.
    extra = sorted({cell.model for cell in stored} - set(named))
    if extra:
        notes.append(f"from older runs, not in the suite's latest: {', '.join(extra)}")
    shown = {**clean, **cells}
    replaced = {
        cell.model
        for cell in stored
        if cell.model in shown and cell.model_id != shown[cell.model].model_id
    }
    if replaced:
        notes.append(
            "stored with other weights or preprocessing too, of which the latest run's are shown: "
            + ", ".join(sorted(replaced))
        )
    others = len({_group(cell) for cell in mine}) - 1
    if others > 0 and latest:
        notes.append(
            f"{others} more seed, version, policy or data set of this attack and goal is stored;"
            f" the latest run's is shown (seed {latest.seed})"
        )
    return Selection(
        suite=suite,
        dataset=latest.dataset if latest else str(definition["dataset"]),
        attack=chosen,
        goal=wanted,
        seed=latest.seed if latest and latest.seed is not None else int(definition["seed"]),
        models=(*named, *extra),
        cells=cells,
        clean=clean,
        notes=tuple(notes),
    )


def _group(cell: StoredCell) -> tuple[object, ...]:
    """What the cells of one board share. Models differ, and so may their weights."""
    return (cell.attack_id, cell.goal, cell.seed, cell.policy, cell.dataset_id)


def _latest(cells: Iterable[StoredCell]) -> dict[str, StoredCell]:
    """Each model's cell of its latest run: newer weights take the place of older ones."""
    return {cell.model: cell for cell in sorted(cells, key=lambda cell: (cell.last_run, cell.id))}


def _clean(
    stored: Sequence[StoredCell], cells: Mapping[str, StoredCell], latest: StoredCell | None
) -> dict[str, StoredCell]:
    """Each model's clean cell: that of the board's weights, data set and policy."""

    def fits(cell: StoredCell) -> bool:
        twin = cells.get(cell.model)
        return (twin is None or twin.model_id == cell.model_id) and (
            latest is None or (cell.dataset_id, cell.policy) == (latest.dataset_id, latest.policy)
        )

    return _latest(cell for cell in stored if cell.attack is None and fits(cell))


def _offered(
    definition: Mapping[str, Any], attacked: Sequence[StoredCell]
) -> dict[str, BoardAttack]:
    """The attacks by label: the definition's in its order, then older runs'."""
    found: dict[str, BoardAttack] = {}
    for entry in definition["attacks"]:
        mine = [cell for cell in attacked if cell.label == entry["label"]]
        goals = dict.fromkeys([*entry["goals"], *(cell.goal for cell in mine if cell.goal)])
        found[entry["label"]] = BoardAttack(
            name=entry["name"],
            label=entry["label"],
            norm=entry["norm"],
            budget=entry["budget"],
            goals=tuple(goals),
            parameters=mine[-1].parameters if mine else entry.get("parameters", {}),
        )
    for cell in attacked:
        if cell.label not in found:
            older = (other.goal for other in attacked if other.label == cell.label)
            goals = dict.fromkeys(goal for goal in older if goal)
            found[cell.label] = BoardAttack(
                name=cell.attack or "",
                label=cell.label,
                norm=cell.norm or "",
                budget=cell.budget,
                goals=tuple(goals),
                parameters=cell.parameters,
            )
    return found


def _default_attack(
    suite: str,
    offered: Mapping[str, BoardAttack],
    attacked: Sequence[StoredCell],
    goal: str | None,
    notes: list[str],
) -> BoardAttack:
    """The first minimum-distortion attack with cells, else the first with cells, else the first.

    Where a goal is asked for, of those that have it.
    """
    if not offered:
        raise ConfigError(f"suite {suite!r} has no attacks", hint="a leaderboard needs one")
    if goal is not None:
        goals = dict.fromkeys(each for attack in offered.values() for each in attack.goals)
        if goal not in goals:
            raise _unknown("--goal", "goal of the suite", goal, goals)
        offered = {label: attack for label, attack in offered.items() if goal in attack.goals}
    labels = {cell.label for cell in attacked if goal in (None, cell.goal)}
    ran = [attack for attack in offered.values() if attack.label in labels]
    for attack in ran:
        if attack.budget is None:
            return attack
    chosen = (ran or list(offered.values()))[0]
    notes.append(f"no minimum-distortion attack of the suite has results: {chosen.label} is shown")
    return chosen


def _named_attack(
    asked: str, offered: Mapping[str, BoardAttack], definition: Mapping[str, Any]
) -> BoardAttack:
    """The attack that ``asked`` names: by label, by name, or by glob on either."""
    if asked in offered:
        return offered[asked]
    current = {entry["label"] for entry in definition["attacks"]}
    attacks = offered.values()
    for matches in (
        [attack for attack in attacks if attack.name == asked],
        [a for a in attacks if fnmatchcase(a.label, asked) or fnmatchcase(a.name, asked)],
    ):
        # Attacks that only older runs know must not make a plain name ambiguous.
        found = [attack for attack in matches if attack.label in current] or matches
        if len(found) > 1:
            labels = ", ".join(repr(attack.label) for attack in found)
            raise ConfigError(
                f"{asked!r} matches several attacks", where="--attack", hint=f"name one: {labels}"
            )
        if found:
            return found[0]
    raise unknown_attack("attack", asked, offered)


def _goal(
    attack: BoardAttack, asked: str | None, mine: Sequence[StoredCell], notes: list[str]
) -> str:
    if asked is not None:
        if asked not in attack.goals:
            raise _unknown("--goal", f"goal of {attack.label}", asked, attack.goals)
        return asked
    ran = {cell.goal for cell in mine}
    goals = [goal for goal in attack.goals if goal in ran] or list(attack.goals)
    if "random" in goals:
        return "random"
    notes.append(f"{attack.label} has no results for goal random: {goals[0]} is shown")
    return goals[0]


def unknown_attack(what: str, asked: str, names: Iterable[str]) -> ConfigError:
    """The error for ``--attack``; one that is installed is not taken for a slip of the pen."""
    names = list(names)
    if installed().find(Kind.ATTACK, asked) is None:
        return _unknown("--attack", what, asked, names)
    return ConfigError(
        f"{asked!r} is installed, but the suite's runs hold no {what} of this name",
        where="--attack",
        hint=f"there are: {', '.join(names)}",
    )


def _unknown(option: str, what: str, asked: str, names: Iterable[str]) -> ConfigError:
    names = list(names)
    near = difflib.get_close_matches(asked, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
    return ConfigError(f"unknown {what} {asked!r}", where=option, hint=hint)
