"""A suite's composites: their members with classes and parameters become one planned attack."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import SerializeAsAny

from harness.api import (
    Access,
    AttackParameters,
    CompositeAttack,
    ConfigError,
    Goal,
    did_you_mean,
)
from harness.planning import Component, PlannedAttack
from harness.plugins import Catalog, Kind, is_bundled
from harness.registry import CompositeEntry, SuiteEntry
from harness.resolve.components import attack_class, attack_of
from harness.resolve.parameters import ParameterSpec, goals_of, spelled
from harness.resolve.sweeps import swept

VERSION = "1"
"""Of what a composite makes of its members' outcomes; part of its identity."""

COMPOSITE = "composite"
"""The kind in a composite's identity: its parameters are the identities of its members."""

_WIDEST_FIRST = (Access.WHITE_BOX, Access.SCORES, Access.LABELS)

_Member = tuple[Component, AttackParameters]


class Composed(CompositeAttack):
    """Attacks of a suite in order; `composed` gives it what they have in common."""

    attacks: tuple[SerializeAsAny[AttackParameters], ...]

    @property
    def budget(self) -> float | None:
        return next((each.budget for each in self.attacks if each.budget is not None), None)

    @property
    def confidence(self) -> float:
        return min(each.confidence for each in self.attacks)

    def members(self) -> tuple[AttackParameters, ...]:
        return self.attacks

    def __reduce__(self) -> tuple[Any, ...]:
        return composed, (self.attacks,)


def composed(members: Sequence[AttackParameters]) -> Composed:
    """The composite of ``members``, which agree in their norm and budget."""
    access = {member.access for member in members}
    body: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": Composed.__doc__,
        "norm": members[0].norm,
        "goals": frozenset(Goal).intersection(*(member.goals for member in members)),
        "default_goals": members[0].default_goals,
        "access": next(each for each in _WIDEST_FIRST if each in access),
        "stochastic": any(member.stochastic for member in members),
    }
    kind: Any = type(Composed)
    found: Composed = kind("Composed", (Composed,), body)(attacks=tuple(members))
    return found


def composite_attacks(
    suite: SuiteEntry, catalog: Catalog, labels: Iterable[str]
) -> tuple[list[tuple[PlannedAttack, AttackParameters]], list[str]]:
    """The composites of ``suite``; and those that a member is missing of, with its name.

    Args:
        labels: of the suite's attacks.

    Raises:
        ConfigError: a composite has the label of an attack; a member's parameters are wrong, or
            members do not go together.
    """
    found, absent, taken = [], [], set(labels)
    for name, entry in suite.composites.items():
        where = f"{entry.source}: suites.{suite.name}.composites.{name}"
        if name in taken:
            raise ConfigError(
                f"an attack of the suite is called {name!r} too", where=where, hint="rename it"
            )
        if lacking := _lacking(entry, suite, catalog):
            absent += lacking
        else:
            found.append(_planned(entry, suite, _members(entry, suite, catalog), where))
    return found, absent


def offered_by(component: Component) -> tuple[str, ...]:
    """Who offers a component; a composite's members may come from several plugins."""
    return tuple(component.about.get("plugins") or (component.plugin,))


def names_in(identity: Mapping[str, Any]) -> Iterator[str]:
    """The name in a task's identity, of a composite those of its members."""
    if identity.get("kind") != COMPOSITE:
        yield identity["name"]
        return
    for member in identity["parameters"]["members"]:
        yield from names_in(member)


def member_names(suite: SuiteEntry) -> list[str]:
    """The names of the attacks that the suite's composites have as members."""
    members = itertools.chain.from_iterable(each.attacks for each in suite.composites.values())
    return [each.attack for each in members if each.attack not in suite.composites]


def _lacking(entry: CompositeEntry, suite: SuiteEntry, catalog: Catalog) -> list[str]:
    """The members that no installed plugin offers, with the composite's name."""
    lacking: list[str] = []
    for member in entry.attacks:
        inner = suite.composites.get(member.attack)
        if inner is not None:
            lacking += _lacking(inner, suite, catalog)
        elif catalog.find(Kind.ATTACK, member.attack) is None:
            names = [*suite.composites, *(each.name for each in catalog.all(Kind.ATTACK))]
            near = did_you_mean(member.attack, names, "")
            lacking.append(f"{member.attack} of composite {entry.name}{near and f', {near}'}")
    return lacking


def _members(entry: CompositeEntry, suite: SuiteEntry, catalog: Catalog) -> Iterator[_Member]:
    """The members with their identities; a sweep is several, one after the other."""
    for member in entry.attacks:
        where = f"{member.source}: suites.{suite.name}.composites.{entry.name} ({member.attack})"
        inner = suite.composites.get(member.attack)
        if inner is not None:
            yield _composed(inner, list(_members(inner, suite, catalog)), where)
            continue
        registration = catalog.get(Kind.ATTACK, member.attack, where=where)
        for each in swept(member, attack_class(registration), where):
            goals = entry.goals or ()
            spec = ParameterSpec(
                Kind.ATTACK, each.attack, where, goals, each.parameters, each.preset
            )
            yield attack_of(spec, registration)


def _composed(entry: CompositeEntry, members: Sequence[_Member], where: str) -> _Member:
    """The composite of ``members``.

    Raises:
        ConfigError: they have several norms or budgets, or no goal in common.
    """
    attacks = [attack for _, attack in members]
    _must_agree("norms", {each.norm.value: each for each in attacks}, where)
    _must_agree(
        "budgets", {each.budget: each for each in attacks if each.budget is not None}, where
    )
    attack = composed(attacks)
    if not attack.goals:
        raise ConfigError("its members have no goal in common", where=where, hint="split it")
    origins = dict.fromkeys(origin for component, _ in members for origin in offered_by(component))
    identity = {
        "name": entry.name,
        "version": VERSION,
        "kind": COMPOSITE,
        "parameters": {"members": [component.identity for component, _ in members]},
    }
    about = {
        # Its patience with a third party is that with the member.
        "plugin": min(origins, key=is_bundled),
        "plugins": list(origins),
        "summary": " then ".join(_spelled(component) for component, _ in members),
        "parameters": {"members": [component.about["parameters"] for component, _ in members]},
    }
    return Component(entry.name, identity, about), attack


def _must_agree(what: str, found: Mapping[Any, AttackParameters], where: str) -> None:
    if len(found) > 1:
        raise ConfigError(
            f"its members have several {what}: {', '.join(map(str, found))}",
            where=where,
            hint="a composite for each, or the same for all",
        )


def _spelled(component: Component) -> str:
    if component.identity.get("kind") == COMPOSITE:
        return component.name
    return spelled(component.name, component.identity["parameters"])


def _planned(
    entry: CompositeEntry, suite: SuiteEntry, members: Iterable[_Member], where: str
) -> tuple[PlannedAttack, AttackParameters]:
    component, attack = _composed(entry, list(members), where)
    about = {**component.about, "confidence": attack.confidence, "preset": None}
    identity = dict(component.identity)
    if entry.budget_passes is not None:
        identity["budget_passes"] = entry.budget_passes
    planned = PlannedAttack(
        component=Component(component.name, identity, about),
        label=entry.name,
        norm=attack.norm,
        budget=attack.budget,
        goals=goals_of(entry, suite, type(attack), where),
        images=suite.images if entry.images is None else entry.images,
        keep=entry.keep,
        eight_bit=entry.eight_bit,
        budget_passes=entry.budget_passes,
    )
    return planned, attack
