"""The attacks of a suite, and which of them a name means."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from harness.api.facts import SuiteAttack
from harness.definition import AttackDefinition
from harness.errors import ConfigError
from harness.plugins import Kind, installed, unknown
from harness.store.read.cells import StoredCell

WORST = "worst:"
"""Before names or globs of attacks: the worst case of all of them; see `harness.analysis.worst`."""


def offered(
    definition: Iterable[AttackDefinition], stored: Mapping[str, Sequence[StoredCell]]
) -> dict[str, SuiteAttack]:
    """The attacks by label: the definition's in its order, then those ``stored`` by older runs."""
    found: dict[str, SuiteAttack] = {}
    for entry in definition:
        label = entry["label"]
        mine = stored.get(label, ())
        task = mine[-1].task if mine else None
        found[label] = SuiteAttack(
            name=entry["name"],
            label=label,
            norm=entry["norm"],
            budget=entry["budget"],
            goals=_goals(entry["goals"], mine),
            parameters=task.parameters if task else entry.get("parameters", {}),
            ad_hoc=task.ad_hoc if task else entry.get("ad_hoc", False),
        )
    for label, mine in stored.items():
        task = mine[0].task
        if label not in found and task is not None:
            found[label] = SuiteAttack(
                name=task.name,
                label=label,
                norm=task.norm or "",
                budget=task.budget,
                goals=_goals((), mine),
                parameters=task.parameters,
                ad_hoc=task.ad_hoc,
            )
    return found


def _goals(stated: Iterable[str], cells: Iterable[StoredCell]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*stated, *(cell.goal for cell in cells if cell.goal)]))


def one_attack(
    asked: str, attacks: Mapping[str, SuiteAttack], current: Collection[str]
) -> SuiteAttack:
    """The attack that ``asked`` names: by label, by name, or by glob on either.

    Args:
        attacks: by label; those that are not ``current`` do not make a plain name ambiguous.

    Raises:
        ConfigError: there is none, or several match.
    """
    if asked in attacks:
        return attacks[asked]
    if asked.startswith(WORST):
        raise ConfigError(
            "a worst case is of several attacks, and one is needed here",
            where="--attack",
            hint="`leaderboard` and `compare` take worst cases",
        )
    for matches in named(asked, attacks.values()):
        found = [attack for attack in matches if attack.label in current] or matches
        if len(found) > 1:
            labels = ", ".join(repr(attack.label) for attack in found)
            raise ConfigError(
                f"{asked!r} matches several attacks", where="--attack", hint=f"name one: {labels}"
            )
        if found:
            return found[0]
    raise unknown_attack("attack", asked, attacks)


def named(asked: str, attacks: Iterable[SuiteAttack]) -> tuple[list[SuiteAttack], ...]:
    """The attacks of this name, and those that match it as a glob on name or label."""
    every = list(attacks)
    return (
        [attack for attack in every if attack.name == asked],
        [a for a in every if fnmatchcase(a.label, asked) or fnmatchcase(a.name, asked)],
    )


def unknown_attack(what: str, asked: str, names: Iterable[str]) -> ConfigError:
    """The error for ``--attack``; one that is installed is not taken for a typing error."""
    names = list(names)
    if installed().find(Kind.ATTACK, asked) is None:
        return unknown(what, asked, names, where="--attack", listed=True)
    return ConfigError(
        f"{asked!r} is installed, but the suite's runs hold no {what} of this name",
        where="--attack",
        hint=f"`harness run --attacks {asked}` adds it; there are: {', '.join(names)}",
    )
