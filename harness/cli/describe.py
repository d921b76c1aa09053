"""What the class of an attack, measurement or metric declares; this imports the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from harness.api import AttackParameters, Goal, Measurement, Metric, PluginError
from harness.plugins import Registration

_BOUNDS = {
    "exclusiveMinimum": ">",
    "minimum": ">=",
    "exclusiveMaximum": "<",
    "maximum": "<=",
    "multipleOf": "multiple of",
}
"""JSON schema's words for bounds."""


def attack_facts(registration: Registration) -> dict[str, Any]:
    """Capabilities and hyper-parameters of an attack.

    Raises:
        PluginError: the class cannot be imported, or is not an attack.
    """
    attack = _class(registration, AttackParameters)
    return {
        "norm": attack.norm.value,
        "kind": _kind(attack),
        "goals": [goal.value for goal in Goal if goal in attack.goals],
        "access": attack.access.value,
        "stochastic": attack.stochastic,
        "presets": {name: dict(values) for name, values in attack.presets.items()},
        "hyper_parameters": _hyper_parameters(attack),
    }


def measurement_facts(registration: Registration) -> dict[str, Any]:
    """Capabilities and hyper-parameters of a measurement.

    Raises:
        PluginError: the class cannot be imported, or is not a measurement.
    """
    measurement = _class(registration, Measurement)
    return {
        "goals": [goal.value for goal in Goal if goal in measurement.goals],
        "access": measurement.access.value,
        "stochastic": measurement.stochastic,
        "presets": {name: dict(values) for name, values in measurement.presets.items()},
        "hyper_parameters": _hyper_parameters(measurement),
    }


def metric_facts(registration: Registration) -> dict[str, Any]:
    """A metric's unit.

    Raises:
        PluginError: the class cannot be imported, or is not a metric.
    """
    return {"unit": _class(registration, Metric).unit}


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


def _hyper_parameters(
    component: type[AttackParameters] | type[Measurement],
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
        for name, field in schema["properties"].items()
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
