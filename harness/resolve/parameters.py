"""The parameters given for an attack or a measurement, checked by the class that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from harness.api import AttackParameters, ConfigError, Goal, Measurement
from harness.plugins import Kind, unknown
from harness.registry import AttackEntry, CompositeEntry, MeasurementEntry, SuiteEntry

Parameters = TypeVar("Parameters", AttackParameters, Measurement)


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """What is asked of an attack or a measurement: by a suite, or by a caller from Python.

    Attributes:
        where: the place of the request, for messages.
        goals: those that it has to be able to pursue.
    """

    kind: Kind
    name: str
    where: str
    goals: tuple[Goal, ...]
    parameters: Mapping[str, Any]
    preset: str | None = None

    @classmethod
    def of(cls, entry: AttackEntry | MeasurementEntry, where: str) -> ParameterSpec:
        """An entry of a suite's list, or of a command's."""
        if isinstance(entry, AttackEntry):
            kind, name = Kind.ATTACK, entry.attack
        else:
            kind, name = Kind.MEASUREMENT, entry.measurement
        return cls(kind, name, where, entry.goals or (), entry.parameters, entry.preset)

    def checked(self, kind: type[Parameters]) -> Parameters:
        """The parameters as an instance of ``kind``.

        Raises:
            ConfigError: a parameter, preset or goal is wrong.
        """
        where, see = self.where, f"`harness {self.kind}s show {self.name}`"
        preset, given = self.preset, dict(self.parameters)
        if preset is not None:
            if preset not in kind.presets:
                raise unknown(f"preset of {self.name}", preset, kind.presets, where, see)
            given = {**kind.presets[preset], **given}
        for name in given:
            if name not in kind.model_fields:
                raise unknown(f"parameter of {self.name}", name, kind.model_fields, where, see)
        for goal in self.goals:
            if goal not in kind.goals:
                raise ConfigError(
                    f"{self.kind} {self.name!r} cannot pursue goal {goal.value!r}",
                    where=where,
                    hint=f"see {see}",
                )
        try:
            return kind(**given)
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0]) if first["loc"] else "parameters"
            raise ConfigError(
                f"{field}: {first['msg']} (given: {first['input']!r})",
                where=where,
                hint=f"see {see}",
            ) from error


def goals_of(
    entry: AttackEntry | CompositeEntry,
    suite: SuiteEntry,
    kind: type[AttackParameters],
    where: str,
) -> tuple[Goal, ...]:
    """The goals of an entry: its own, the suite's, or the attack's default ones; and more.

    Raises:
        ConfigError: it can pursue none of the suite's.
    """
    found = entry.goals
    if found is None and suite.goals is not None and not entry.more_goals:
        found = tuple(goal for goal in suite.goals if goal in kind.goals)
        if not found:
            raise ConfigError(
                f"it can pursue no goal of the suite: {', '.join(suite.goals)}",
                where=where,
                hint="give it goals of its own",
            )
    more = (goal for goal in entry.more_goals if goal in kind.goals)
    return tuple(dict.fromkeys((*(found or _default_goals(kind)), *more)))


def _default_goals(kind: type[AttackParameters]) -> tuple[Goal, ...]:
    """The goals of an attack where nobody names any."""
    found = tuple(goal for goal in kind.default_goals if goal in kind.goals)
    return found or tuple(goal for goal in Goal if goal in kind.goals)


def changed(instance: AttackParameters | Measurement) -> dict[str, Any]:
    """The parameters that differ from their defaults, in the order of the class."""
    given = instance.model_dump(mode="json")
    return {
        name: given[name]
        for name, info in type(instance).model_fields.items()
        if info.is_required()
        or getattr(instance, name) != info.get_default(call_default_factory=True)
    }


def labels(
    tasks: Sequence[tuple[str, AttackParameters | Measurement]],
    presets: Sequence[str | None] = (),
) -> list[str]:
    """What each of a suite's attacks or measurements, given with its name, is called.

    The name, the preset that it was asked for by, the parameters that are not the preset's or their
    defaults, and those in which it differs from another one of its name and preset, defaults too.
    """
    values = [task.model_dump(mode="json") for _, task in tasks]
    kinds = [
        (name, preset)
        for (name, _), preset in zip(tasks, presets or [None] * len(tasks), strict=True)
    ]
    found = []
    for kind, mine, (_, task) in zip(kinds, values, tasks, strict=True):
        (name, preset), own = kind, changed(task)
        given = _of_preset(task, preset)
        twins = [other for twin, other in zip(kinds, values, strict=True) if twin == kind]
        told = {
            field: value
            for field, value in mine.items()
            if (value != given[field] if field in given else field in own)
            or any(other[field] != value for other in twins)
        }
        found.append(spelled(name, told if preset is None else {"preset": preset, **told}))
    return found


def _of_preset(task: AttackParameters | Measurement, preset: str | None) -> dict[str, Any]:
    """The values of a preset, as JSON spells them."""
    values = {} if preset is None else dict(task.presets[preset])
    dumped = task.model_copy(update=values).model_dump(mode="json")
    return {name: dumped[name] for name in values}


def bounded(label: str, budget_passes: int | None) -> str:
    """``label`` of an attack whose passes are bounded, where they are."""
    return label if budget_passes is None else spelled(label, {"budget_passes": budget_passes})


def spelled(name: str, parameters: Mapping[str, Any]) -> str:
    """``pgd epsilon=0.1 steps=10``."""
    return " ".join([name, *(f"{field}={_value(each)}" for field, each in parameters.items())])


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(map(_value, value))
    if value is None:
        return "none"
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)
