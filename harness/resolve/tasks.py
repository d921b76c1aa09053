"""A suite's attacks and measurements with their classes, and which of them a request means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TypeVar

from harness.api import AttackParameters, ConfigError, Goal, Measurement
from harness.planning import PlannedAttack, PlannedMeasurement, Task
from harness.plugins import Catalog, Kind, Registration, unknown
from harness.registry import AttackEntry, MeasurementEntry, SuiteEntry
from harness.resolve.components import attack_component, measurement_component
from harness.resolve.parameters import labels, spelled
from harness.resolve.request import Request

_Entry = TypeVar("_Entry", AttackEntry, MeasurementEntry)
_Planned = TypeVar("_Planned", PlannedAttack, PlannedMeasurement)
_Parameters = TypeVar("_Parameters", AttackParameters, Measurement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """The attacks and measurements of a suite.

    Attributes:
        parameters, instances: of the attacks and the measurements, by label.
        unavailable: those that no installed plugin offers, and what depends on them.
    """

    attacks: tuple[PlannedAttack, ...]
    measurements: tuple[PlannedMeasurement, ...]
    parameters: Mapping[str, AttackParameters]
    instances: Mapping[str, Measurement]
    unavailable: tuple[str, ...]


def suite_tasks(suite: SuiteEntry, catalog: Catalog) -> Tasks:
    """All tasks of ``suite``.

    Raises:
        ConfigError: a parameter, a goal or the start of a measurement is wrong, or a task is listed
            twice.
    """
    offered, absent = _offered(Kind.ATTACK, [(e.attack, e) for e in suite.attacks], catalog)
    attacks, parameters = _labelled(
        f"suites.{suite.name}.attacks",
        [(entry.source, attack_component(entry, suite, offer)) for entry, offer in offered],
    )
    named = [(entry.measurement, entry) for entry in suite.measurements]
    measured, unmeasured = _offered(Kind.MEASUREMENT, named, catalog)
    tasks: list[tuple[str, tuple[PlannedMeasurement, Measurement]]] = []
    for entry, offer in measured:
        planned, measurement = measurement_component(entry, suite, offer)
        start = measurement.starts_from
        if start is not None and start.partition(" ")[0] in absent:
            unmeasured.append(planned.label)
            continue
        if start is not None:
            planned = _with_start(planned, start, entry, suite, attacks)
        tasks.append((entry.source, (planned, measurement)))
    measurements, instances = _labelled(f"suites.{suite.name}.measurements", tasks)
    return Tasks(
        attacks=tuple(attacks),
        measurements=tuple(measurements),
        parameters=parameters,
        instances=instances,
        unavailable=(*absent, *unmeasured),
    )


def requested(request: Request, suite: SuiteEntry, catalog: Catalog, tasks: Tasks) -> Tasks:
    """Those of ``tasks`` that ``request`` means, with the goals that it wants.

    Raises:
        ConfigError: the suite has no such attack, or none of those chosen has such a goal.
    """
    every: tuple[Task, ...] = (*tasks.attacks, *tasks.measurements)
    names = [name for task in every for name in (task.component.name, task.label)]
    for glob in request.attacks:
        if not matches([glob], names):
            raise _no_task(glob, names, suite, catalog)
    eight_bit = request.eight_bit
    attacks = [
        replace(each, goals=_goals(each, request), eight_bit=each.eight_bit or eight_bit)
        for each in tasks.attacks
    ]
    measurements = [replace(each, goals=_goals(each, request)) for each in tasks.measurements]
    chosen = replace(
        tasks,
        attacks=tuple(each for each in attacks if each.goals),
        measurements=tuple(each for each in measurements if each.goals),
    )
    if every and not (chosen.attacks or chosen.measurements):
        raise ConfigError(
            f"no chosen attack of suite {suite.name!r} has goal {', '.join(request.goals)}",
            where="--goals",
            hint=f"see `harness suites show {suite.name}`",
        )
    return chosen


def matches(globs: Sequence[str], names: Iterable[str]) -> bool:
    """Whether any of ``names`` matches any of ``globs``."""
    return any(fnmatchcase(name, glob) for glob in globs for name in names)


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


def _labelled(
    field: str, tasks: Sequence[tuple[str, tuple[_Planned, _Parameters]]]
) -> tuple[list[_Planned], dict[str, _Parameters]]:
    """The tasks with labels that tell them apart, and their parameters by label.

    Raises:
        ConfigError: ``field`` lists one twice.
    """
    planned: list[_Planned] = []
    parameters: dict[str, _Parameters] = {}
    names = labels([(task.component.name, instance) for _, (task, instance) in tasks])
    for label, (source, (task, instance)) in zip(names, tasks, strict=True):
        if label in parameters:
            raise ConfigError(f"{label!r} is listed twice", where=f"{source}: {field}")
        parameters[label] = instance
        planned.append(replace(task, label=label))
    return planned, parameters


def _with_start(
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


def _no_task(glob: str, names: Sequence[str], suite: SuiteEntry, catalog: Catalog) -> ConfigError:
    if any(catalog.find(kind, glob) for kind in (Kind.ATTACK, Kind.MEASUREMENT)):
        return ConfigError(
            f"{glob!r} is installed, but not part of suite {suite.name!r}",
            where="--attacks",
            hint=f"it has {', '.join(dict.fromkeys(names))}; another suite may name it",
        )
    return unknown("attack of the suite", glob, names, "--attacks", "`harness suites show`")


def _goals(task: Task, request: Request) -> tuple[Goal, ...]:
    if request.attacks and not matches(request.attacks, (task.component.name, task.label)):
        return ()
    wanted = request.goals or task.goals
    return tuple(goal for goal in task.goals if goal in wanted)
