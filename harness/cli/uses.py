"""Which suites use an attack or a measurement, and how: for ``attacks show`` and its like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.registry import (
        AttackEntry,
        CompositeEntry,
        MeasurementEntry,
        MemberEntry,
        Registry,
        SuiteEntry,
    )


def uses(registry: Registry, name: str) -> list[dict[str, Any]]:
    """The entries of suites that name it, in the registry's order."""
    return list(_uses(registry, name))


def _uses(registry: Registry, name: str) -> Iterator[dict[str, Any]]:
    from harness.registry import AttackEntry

    for suite in registry.suites.values():
        every: tuple[AttackEntry | MeasurementEntry, ...] = (*suite.attacks, *suite.measurements)
        for entry in every:
            attack = entry.attack if isinstance(entry, AttackEntry) else entry.measurement
            if attack == name:
                yield _use(suite, entry, entry, "")
        for composite in suite.composites.values():
            for member in composite.attacks:
                if member.attack == name:
                    yield _use(suite, member, composite, composite.name)


def _use(
    suite: SuiteEntry,
    named: AttackEntry | MemberEntry | MeasurementEntry,
    entry: AttackEntry | CompositeEntry | MeasurementEntry,
    composite: str,
) -> dict[str, Any]:
    """How ``named`` is used in ``entry``: itself, or the ``composite`` that it is a member of."""
    return {
        "suite": suite.name,
        "composite": composite or None,
        "preset": named.preset,
        "parameters": dict(named.parameters),
        "goals": goals_of(entry),
        "images": entry.images or suite.images,
        "source": named.source,
    }


def goals_of(entry: AttackEntry | CompositeEntry | MeasurementEntry) -> list[str]:
    """Its goals, ``default`` for those that it leaves to its suite and to the attack."""
    own = [str(goal) for goal in entry.goals or ("default",)]
    return [*own, *map(str, getattr(entry, "more_goals", ()))]


def members_of(entry: CompositeEntry) -> list[str]:
    """Its attacks in order, each as a label would have it."""
    from harness.resolve.parameters import spelled

    return [
        spelled(each.attack, ({"preset": each.preset} if each.preset else {}) | each.parameters)
        for each in entry.attacks
    ]
