"""A suite's attacks and measurements with their classes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.api import AttackParameters, ConfigError, Measurement
from harness.identity import canonical_json
from harness.planning import PlannedAttack, PlannedMeasurement
from harness.plugins import Catalog, Kind, Registration, unknown
from harness.registry import AttackEntry, MeasurementEntry, SuiteEntry
from harness.resolve.components import attack_components, measurement_components
from harness.resolve.composites import composite_attacks
from harness.resolve.given import Given, aimed, given_label
from harness.resolve.parameters import bounded, labels, spelled

_Entry = TypeVar("_Entry", AttackEntry, MeasurementEntry)
Planned = TypeVar("Planned", PlannedAttack, PlannedMeasurement)
Parameters = TypeVar("Parameters", AttackParameters, Measurement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """The attacks and measurements of a suite, and those that a request alone names.

    Attributes:
        parameters, instances: of the attacks and the measurements, by label.
        unavailable: those that no installed plugin offers, and what depends on them.
        ad_hoc: the labels of those that the suite does not name.
    """

    attacks: tuple[PlannedAttack, ...]
    measurements: tuple[PlannedMeasurement, ...]
    parameters: Mapping[str, AttackParameters]
    instances: Mapping[str, Measurement]
    unavailable: tuple[str, ...]
    ad_hoc: frozenset[str] = frozenset()


def suite_tasks(suite: SuiteEntry, catalog: Catalog, given: Given | None = None) -> Tasks:
    """All tasks of ``suite``.

    Args:
        given: by the list that the suite names, where the dataset has it.

    Raises:
        ConfigError: a parameter, a goal or the start of a measurement is wrong, or a task is listed
            twice.
    """
    offered, absent = _offered(Kind.ATTACK, [(e.attack, e) for e in suite.attacks], catalog)
    found = [
        (entry.source, each)
        for entry, offer in offered
        for made in attack_components(entry, suite, offer, place(entry, suite))
        for each in aimed(made, given if entry.list else None)
    ]
    attacks, parameters = labelled(f"suites.{suite.name}.attacks", found)
    composites, lacking = composite_attacks(suite, catalog, parameters)
    composites = [
        each
        for made in composites
        for each in aimed(made, given if suite.composites[made[0].label].list else None)
    ]
    attacks += [planned for planned, _ in composites]
    parameters |= {planned.label: attack for planned, attack in composites}
    named = [(entry.measurement, entry) for entry in suite.measurements]
    measured, unmeasured = _offered(Kind.MEASUREMENT, named, catalog)
    tasks: list[tuple[str, tuple[PlannedMeasurement, Measurement]]] = []
    for entry, offer in measured:
        where = place(entry, suite)
        for made in measurement_components(entry, suite, offer, where):
            start = made[1].starts_from
            if start is not None and start.partition(" ")[0] in absent:
                unmeasured.append(made[0].label)
                continue
            for planned, measurement in aimed(made, given if entry.list else None):
                started = planned if start is None else with_start(planned, start, attacks, where)
                tasks.append((entry.source, (started, measurement)))
    measurements, instances = labelled(f"suites.{suite.name}.measurements", tasks)
    return Tasks(
        attacks=tuple(attacks),
        measurements=tuple(measurements),
        parameters=parameters,
        instances=instances,
        unavailable=(*absent, *lacking, *unmeasured),
    )


def place(entry: AttackEntry | MeasurementEntry, suite: SuiteEntry) -> str:
    """Where an entry of a suite's lists stands, for messages."""
    name, field = (
        (entry.attack, "attacks")
        if isinstance(entry, AttackEntry)
        else (entry.measurement, "measurements")
    )
    return f"{entry.source}: suites.{suite.name}.{field} ({name})"


def _offered(
    kind: Kind, named: Iterable[tuple[str, _Entry]], catalog: Catalog
) -> tuple[list[tuple[_Entry, Registration]], list[str]]:
    """The suite's entries with what a plugin offers under their names; the names without one."""
    found: list[tuple[_Entry, Registration]] = []
    absent: list[str] = []
    for name, entry in named:
        registration = catalog.find(kind, name)
        if registration is None:
            absent.append(name)
        else:
            found.append((entry, registration))
    return found, absent


def labelled(
    field: str,
    tasks: Sequence[tuple[str, tuple[Planned, Parameters]]],
    others: Sequence[tuple[Planned, Parameters]] = (),
) -> tuple[list[Planned], dict[str, Parameters]]:
    """The tasks with labels that tell them apart, and their parameters by label.

    Args:
        others: tasks that have labels already, and are told apart too.

    Raises:
        ConfigError: ``field`` lists one twice.
    """
    planned: list[Planned] = []
    parameters: dict[str, Parameters] = {}
    every = [*others, *(task for _, task in tasks)]
    names = labels(
        [(task.component.name, instance) for task, instance in every],
        [task.component.about["preset"] for task, _ in every],
    )[len(others) :]
    seen: set[str] = set()
    for name, (source, (task, instance)) in zip(names, tasks, strict=True):
        passes = task.budget_passes if isinstance(task, PlannedAttack) else None
        label = given_label(bounded(name, passes), task)
        identity = canonical_json(task.component.identity)
        if identity in seen:
            raise ConfigError(f"{label!r} is listed twice", where=f"{source}: {field}")
        seen.add(identity)
        parameters[label] = instance
        planned.append(replace(task, label=label))
    return planned, parameters


def with_start(
    planned: PlannedMeasurement, name: str, attacks: Collection[PlannedAttack], where: str
) -> PlannedMeasurement:
    """``planned`` from the candidates of the attack ``name``, which becomes part of its identity.

    Raises:
        ConfigError: there is no such attack, it keeps no images, has not all the goals of the
            measurement, or several do.
    """
    found = [each for each in attacks if name in names_of(each)]
    if not found:
        names = [name for each in attacks for name in names_of(each)]
        raise unknown("attack of the suite", name, names, where, "`harness suites show`")
    found = [each for each in found if each.keep]
    if not found:
        raise ConfigError(
            f"attack {name!r} does not keep its images", where=where, hint="set keep: true there"
        )
    found = [
        each
        for each in found
        if set(planned.goals) <= set(each.goals) and each.targets == planned.targets
    ]
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


def names_of(attack: PlannedAttack) -> tuple[str, ...]:
    """Its name, its label in the suite, and the one that it has by itself."""
    name = attack.component.name
    return name, attack.label, spelled(name, attack.component.identity["parameters"])
