"""What the class of a component declares; it is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from harness.api import (
    AttackParameters,
    CompositeAttack,
    Executor,
    Goal,
    Measurement,
    Metric,
    Observer,
    PluginError,
)
from harness.plugins import Kind, Registration
from harness.resolve.parameters import changed, spelled

_BOUNDS = {
    "exclusiveMinimum": ">",
    "minimum": ">=",
    "exclusiveMaximum": "<",
    "maximum": "<=",
    "multipleOf": "multiple of",
}
"""JSON schema's words for bounds."""


def described(registration: Registration) -> dict[str, Any]:
    """What a component declares.

    Raises:
        PluginError: the class cannot be imported, or is not of the registered kind.
    """
    facts, base = _DESCRIBED[registration.kind]
    return facts(_class(registration, base))


def _attack_facts(attack: type[AttackParameters]) -> dict[str, Any]:
    facts = _task_facts(attack)
    chosen = [goal.value for goal in attack.default_goals if goal in attack.goals]
    members = {"members": _members(attack)} if issubclass(attack, CompositeAttack) else {}
    return {
        "norm": attack.norm.value,
        "kind": _kind(attack),
        **members,
        "goals": facts.pop("goals"),
        "default_goals": chosen or [goal.value for goal in Goal if goal in attack.goals],
        **facts,
    }


def _members(attack: type[CompositeAttack]) -> list[str] | None:
    """The members of a composite with its default parameters, each with what is not its default."""
    try:
        members = attack().members()
    except ValidationError:  # some parameters have no default
        return None
    return [spelled(type(each).__name__, changed(each)) for each in members]


def _task_facts(task: type[AttackParameters] | type[Measurement]) -> dict[str, Any]:
    """What attacks and measurements have in common: capabilities and hyper-parameters."""
    return {
        "goals": [goal.value for goal in Goal if goal in task.goals],
        "access": task.access.value,
        "stochastic": task.stochastic,
        "presets": {name: dict(values) for name, values in task.presets.items()},
        "hyper_parameters": _fields(task),
    }


def _metric_facts(metric: type[Metric]) -> dict[str, Any]:
    return {"unit": metric.unit}


_DESCRIBED: dict[Kind, tuple[Callable[[Any], dict[str, Any]], type]] = {
    Kind.ATTACK: (_attack_facts, AttackParameters),
    Kind.MEASUREMENT: (_task_facts, Measurement),
    Kind.METRIC: (_metric_facts, Metric),
    Kind.EXECUTOR: (lambda executor: {}, Executor),
    Kind.OBSERVER: (lambda observer: {"options": _fields(observer)}, Observer),
}


def _class(registration: Registration, base: type) -> Any:
    found = registration.load()
    if not (isinstance(found, type) and issubclass(found, base)):
        raise PluginError(
            f"{registration.target} is not a subclass of {base.__name__}",
            where=f"plugin {registration.plugin} ({registration.distribution})",
            hint="reinstall or remove the plugin",
        )
    return found


def _kind(attack: type[AttackParameters]) -> str:
    try:
        budget = attack().budget
    except ValidationError:  # some parameters have no default
        return "depends on the parameters"
    kind = "minimum distortion" if budget is None else "fixed budget"
    return f"{kind} (with the default parameters)"


def _fields(
    component: type[AttackParameters] | type[Measurement] | type[Observer],
) -> list[dict[str, Any]]:
    schema = component.model_json_schema()
    shared, required = schema.get("$defs", {}), schema.get("required", [])
    return [
        {
            "name": name,
            "type": _type(field, shared),
            "default": "(required)" if name in required else field.get("default"),
            "bounds": ", ".join(_bounds(field)),
            "description": field.get("description", ""),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _type(field: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    """A JSON schema's type in a few words: ``number | 'search'``."""
    if "$ref" in field:
        field = shared[field["$ref"].rpartition("/")[2]]
    if "anyOf" in field:
        return " | ".join(_type(option, shared) for option in field["anyOf"])
    if "const" in field:
        return repr(field["const"])
    if "enum" in field:
        return " | ".join(repr(value) for value in field["enum"])
    return str(field.get("type", "any"))


def _bounds(field: Mapping[str, Any]) -> list[str]:
    own = [f"{sign} {field[word]:g}" for word, sign in _BOUNDS.items() if word in field]
    return own + [bound for option in field.get("anyOf", ()) for bound in _bounds(option)]
