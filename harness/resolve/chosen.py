"""Which attacks and measurements a request means: the suite's, and installed ones by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from harness.api import AttackParameters, ConfigError, Goal, Measurement
from harness.identity import canonical_json
from harness.planning import PlannedAttack, PlannedMeasurement, Task
from harness.plugins import Catalog
from harness.registry import AttackEntry, SuiteEntry
from harness.resolve import adhoc
from harness.resolve.adhoc import OPTION, AdHoc
from harness.resolve.components import attack_components, measurement_components
from harness.resolve.request import Request
from harness.resolve.tasks import Parameters, Planned, Tasks, labelled, with_start


@dataclass(slots=True)
class _Chosen:
    """Labels of the tasks of a suite, each with its goals where the suite's do not count.

    Attributes:
        new: what the suite does not name.
    """

    goals: dict[str, tuple[Goal, ...] | None] = field(default_factory=dict)
    new: list[AdHoc] = field(default_factory=list)


def requested(
    request: Request, suite: SuiteEntry, catalog: Catalog, tasks: Tasks
) -> tuple[Tasks, Tasks]:
    """All tasks, with those that ``request`` alone names; and those of them that it means.

    Raises:
        ConfigError: there is no such attack, a parameter or goal is wrong, or none of those chosen
            has such a goal.
    """
    chosen = _chosen(request, catalog, tasks)
    every = _with_attacks(suite, tasks, chosen)
    every = _with_measurements(suite, every, chosen)
    wanted = replace(
        every,
        attacks=tuple(
            replace(each, goals=goals, eight_bit=each.eight_bit or request.eight_bit)
            for each in every.attacks
            if (goals := _goals(each, request, chosen))
        ),
        measurements=tuple(
            replace(each, goals=goals)
            for each in every.measurements
            if (goals := _goals(each, request, chosen))
        ),
    )
    if (every.attacks or every.measurements) and not (wanted.attacks or wanted.measurements):
        raise ConfigError(
            f"no chosen attack of suite {suite.name!r} has goal {', '.join(request.goals)}",
            where="--goals",
            hint=f"see `harness suites show {suite.name}`",
        )
    return every, wanted


def matches(globs: Sequence[str], names: Iterable[str]) -> bool:
    """Whether any of ``names`` matches any of ``globs``."""
    return any(fnmatchcase(name, glob) for glob in globs for name in names)


def _chosen(request: Request, catalog: Catalog, tasks: Tasks) -> _Chosen:
    """What the items of the request stand for: the suite's names go first."""
    chosen = _Chosen()
    every: tuple[Task, ...] = (*tasks.attacks, *tasks.measurements)
    for item in request.attacks:
        own = [task for task in every if matches([item], (task.component.name, task.label))]
        chosen.goals.update((task.label, None) for task in own)
        if own:
            continue
        named = adhoc.read(item, catalog, request.goals)
        if named is None:
            names = [name for task in every for name in (task.component.name, task.label)]
            raise adhoc.nothing_named(item, names, catalog)
        chosen.new.append(named)
    return chosen


def _with_attacks(suite: SuiteEntry, tasks: Tasks, chosen: _Chosen) -> Tasks:
    """``tasks`` with the attacks that the suite does not name. One that it has is its own."""
    own: dict[str, PlannedAttack] = {_identity(each): each for each in tasks.attacks}
    found: dict[str, tuple[str, tuple[PlannedAttack, AttackParameters]]] = {}
    for named in chosen.new:
        if isinstance(named.entry, AttackEntry):
            for planned, attack in attack_components(
                named.entry, suite, named.registration, named.where
            ):
                if twin := own.get(_identity(planned)):
                    chosen.goals[twin.label] = named.entry.goals
                else:
                    _put(found, named, planned, attack)
    others = [(each, tasks.parameters[each.label]) for each in tasks.attacks]
    attacks, parameters = labelled(OPTION, list(found.values()), others)
    chosen.goals.update((each.label, each.goals) for each in attacks)
    return replace(
        tasks,
        attacks=(*tasks.attacks, *attacks),
        parameters={**tasks.parameters, **parameters},
        ad_hoc=tasks.ad_hoc | parameters.keys(),
    )


def _with_measurements(suite: SuiteEntry, tasks: Tasks, chosen: _Chosen) -> Tasks:
    """As `_with_attacks`; the attacks that measurements start from may be among the new ones."""
    own = {_identity(each): each for each in tasks.measurements}
    found: dict[str, tuple[str, tuple[PlannedMeasurement, Measurement]]] = {}
    for named in chosen.new:
        if not isinstance(named.entry, AttackEntry):
            for planned, measurement in measurement_components(
                named.entry, suite, named.registration, named.where
            ):
                start = measurement.starts_from
                if start is not None:
                    planned = with_start(planned, start, tasks.attacks, named.where)
                if twin := own.get(_identity(planned)):
                    chosen.goals[twin.label] = planned.goals
                else:
                    _put(found, named, planned, measurement)
    others = [(each, tasks.instances[each.label]) for each in tasks.measurements]
    measurements, instances = labelled(OPTION, list(found.values()), others)
    chosen.goals.update((each.label, each.goals) for each in measurements)
    return replace(
        tasks,
        measurements=(*tasks.measurements, *measurements),
        instances={**tasks.instances, **instances},
        ad_hoc=tasks.ad_hoc | instances.keys(),
    )


def _identity(task: Task) -> str:
    identity: Mapping[str, object] = task.component.identity
    return canonical_json(identity)


def _put(
    found: dict[str, tuple[str, tuple[Planned, Parameters]]],
    named: AdHoc,
    planned: Planned,
    parameters: Parameters,
) -> None:
    identity = _identity(planned)
    if identity in found:
        raise ConfigError("it is listed twice", where=named.where, hint="leave one out")
    found[identity] = named.where, (planned, parameters)


def _goals(task: Task, request: Request, chosen: _Chosen) -> tuple[Goal, ...]:
    """The goals that are asked for of a task; none: it is not meant."""
    if request.attacks and task.label not in chosen.goals:
        return ()
    own = chosen.goals.get(task.label)
    if own is not None:
        return own
    wanted = request.goals or task.goals
    return tuple(goal for goal in task.goals if goal in wanted)
