"""The parameters given for an attack or a measurement, checked by the class that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from harness.api import AttackParameters, ConfigError, Goal, Measurement
from harness.plugins import Kind, unknown
from harness.registry import AttackEntry, MeasurementEntry, SuiteEntry

Parameters = TypeVar("Parameters", AttackParameters, Measurement)


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """What is asked of an attack or a measurement: by a suite, or by a caller from Python.

    Attributes:
        where: the place of the request, for messages.
    """

    kind: Kind
    name: str
    where: str
    goals: tuple[Goal, ...]
    parameters: Mapping[str, Any]
    preset: str | None = None

    @classmethod
    def of(cls, entry: AttackEntry | MeasurementEntry, suite: SuiteEntry) -> ParameterSpec:
        """An entry of a suite's list."""
        if isinstance(entry, AttackEntry):
            kind, name = Kind.ATTACK, entry.attack
        else:
            kind, name = Kind.MEASUREMENT, entry.measurement
        where = f"{entry.source}: suites.{suite.name}.{kind}s ({name})"
        return cls(kind, name, where, entry.goals, entry.parameters, entry.preset)

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


def changed(instance: AttackParameters | Measurement) -> dict[str, Any]:
    """The parameters that differ from their defaults, in the order of the class."""
    given = instance.model_dump(mode="json")
    return {
        name: given[name]
        for name, info in type(instance).model_fields.items()
        if info.is_required()
        or getattr(instance, name) != info.get_default(call_default_factory=True)
    }


def labels(tasks: Sequence[tuple[str, AttackParameters | Measurement]]) -> list[str]:
    """What each of a suite's attacks or measurements, given with its name, is called.

    The name, the parameters that are not their defaults, and those in which it differs from
    another one of its name, defaults too.
    """
    values = [(name, task.model_dump(mode="json")) for name, task in tasks]
    found = []
    for (name, mine), (_, task) in zip(values, tasks, strict=True):
        own = changed(task)
        twins = [other for twin, other in values if twin == name]
        told = {
            field: value
            for field, value in mine.items()
            if field in own or any(other[field] != value for other in twins)
        }
        found.append(spelled(name, told))
    return found


def spelled(name: str, parameters: Mapping[str, Any]) -> str:
    """``ifgsm epsilon=0.1 steps=10``."""
    return " ".join([name, *(f"{field}={_value(each)}" for field, each in parameters.items())])


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(map(_value, value))
    if value is None:
        return "none"
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)
