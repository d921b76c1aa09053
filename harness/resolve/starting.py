"""Measurements that start from what an attack found: which attack of the suite that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.api import ConfigError
from harness.planning import PlannedAttack, PlannedMeasurement
from harness.plugins import unknown
from harness.registry import MeasurementEntry, SuiteEntry
from harness.resolve.parameters import spelled


def with_start(
    planned: PlannedMeasurement,
    name: str,
    entry: MeasurementEntry,
    suite: SuiteEntry,
    attacks: Sequence[PlannedAttack],
) -> PlannedMeasurement:
    """``planned`` from the candidates of the attack ``name``, which becomes part of its identity.

    Raises:
        ConfigError: the suite has no such attack, it keeps no images, has not all the goals of the
            measurement, or several do.
    """
    where = f"{entry.source}: suites.{suite.name}.measurements ({entry.measurement})"
    found = [each for each in attacks if name in _names(each)]
    if not found:
        names = [name for each in attacks for name in _names(each)]
        see = f"`harness suites show {suite.name}`"
        raise unknown("attack of the suite", name, names, where, see)
    found = [each for each in found if each.keep]
    if not found:
        raise ConfigError(
            f"attack {name!r} does not keep its images", where=where, hint="set keep: true there"
        )
    found = [each for each in found if set(planned.goals) <= set(each.goals)]
    if not found:
        raise ConfigError(
            f"attack {name!r} has not all the goals {', '.join(planned.goals)}",
            where=where,
            hint="a measurement starts from the candidate of the same goal",
        )
    if len(found) > 1:
        labels = ", ".join(repr(each.label) for each in found)
        raise ConfigError(f"{name!r} may be {labels}", where=where, hint="give one of these labels")
    (attack,) = found
    identity = {**planned.component.identity, "starts_from": attack.component.identity}
    component = replace(planned.component, identity=identity)
    return replace(planned, component=component, starts_from=attack)


def _names(attack: PlannedAttack) -> tuple[str, ...]:
    """Its name, its label in the suite, and the one that it has by itself."""
    name = attack.component.name
    return name, attack.label, spelled(name, attack.component.identity["parameters"])
