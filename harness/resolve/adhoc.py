"""``NAME[:parameter=value]...``: an installed attack or measurement that no suite needs to name.

What stands between the colons is a parameter with its value as YAML spells it, a preset's name, or
``keep``, which keeps the adversarial images; ``budget_passes=N`` bounds an attack's passes. Names
may contain colons themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from harness.api import ConfigError, Goal
from harness.plugins import Catalog, Kind, Registration, unknown
from harness.registry import AttackEntry, MeasurementEntry

OPTION = "--attacks"
KEEP = "keep"
BUDGET = "budget_passes"

_OPEN, _CLOSE, _QUOTES = "[{(", "]})", "'\""


@dataclass(frozen=True, slots=True)
class AdHoc:
    """What an item of ``--attacks`` asks for, as a suite's entry.

    Attributes:
        where: the item, for messages.
    """

    registration: Registration
    entry: AttackEntry | MeasurementEntry
    where: str


def split(text: str, separator: str) -> list[str]:
    """The parts of ``text`` between separators that are neither in brackets nor in quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES and parts[-1][-1:] in ("", "=", ",", "[", " "):
            quote = character
        elif character in _OPEN or character in _CLOSE:
            depth = max(0, depth + (1 if character in _OPEN else -1))
        elif character == separator and not depth:
            parts.append("")
            continue
        parts[-1] += character
    return parts


def read(item: str, catalog: Catalog, goals: Sequence[Goal]) -> AdHoc | None:
    """The installed component that ``item`` names; None: there is none of its name.

    Args:
        goals: those that are wanted; none: the component's default ones.

    Raises:
        ConfigError: what follows the name is malformed, or no wanted goal is among the attack's.
    """
    parts = split(item, ":")
    for count in range(len(parts), 0, -1):
        name = ":".join(parts[:count])
        for kind in (Kind.ATTACK, Kind.MEASUREMENT):
            registration = catalog.find(kind, name)
            if registration is not None:
                return _adhoc(item, registration, parts[count:], goals)
    return None


def named(item: str) -> str:
    """The name that ``item`` begins with, if it has parameters: for the error of an unknown one."""
    parts = split(item, ":")
    bare = [part for part in parts if "=" not in part and part != KEEP]
    return ":".join(bare)


def _adhoc(
    item: str, registration: Registration, words: Sequence[str], goals: Sequence[Goal]
) -> AdHoc:
    where = f"{OPTION} {item}"
    kind = registration.kind
    fields: dict[str, Any] = {kind.value: registration.name, "parameters": {}}
    if words == [""]:  # NAME: is the attack with its defaults, where the suite has others
        words = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            if name in fields or name in fields["parameters"]:
                raise ConfigError(f"{name} is given twice", where=where, hint="leave one out")
            given = fields if name == BUDGET and kind is Kind.ATTACK else fields["parameters"]
            given[name] = _value(name, value, where)
        elif word == KEEP and kind is Kind.ATTACK:
            fields["keep"] = True
        elif "preset" in fields or not word:
            hint = "write NAME[:PRESET][:parameter=value]...[:keep]"
            raise ConfigError(f"{word!r} is no parameter=value", where=where, hint=hint)
        else:
            fields["preset"] = word
    if goals:
        fields["goals"] = _able(registration, goals, where)
    model = AttackEntry if kind is Kind.ATTACK else MeasurementEntry
    try:
        return AdHoc(registration, model.model_validate(fields), where)
    except ValidationError as error:  # a value such as a date, or NaN
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{field}: {first['msg']}", where=where) from error


def _value(name: str, text: str, where: str) -> Any:
    """The value that YAML reads in ``text``."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(
            f"{name}: {text!r} is not valid YAML: {problem}", where=where, hint="put it in quotes"
        ) from error


def _able(registration: Registration, goals: Sequence[Goal], where: str) -> list[Goal]:
    """Those of ``goals`` that the component can pursue.

    Raises:
        ConfigError: it can pursue none.
    """
    known = getattr(registration.load(), "goals", frozenset(Goal))
    found = [goal for goal in goals if goal in known]
    if not found:
        raise ConfigError(
            f"{registration.name!r} cannot pursue goal {', '.join(goals)}",
            where=where,
            hint=f"see `harness {registration.kind}s show {registration.name}`",
        )
    return found


def nothing_named(item: str, names: Sequence[str], catalog: Catalog) -> ConfigError:
    """The error for an item that names nothing of the suite, and nothing installed."""
    kinds = (Kind.ATTACK, Kind.MEASUREMENT)
    installed = [each.name for kind in kinds for each in catalog.all(kind)]
    every = list(dict.fromkeys([*names, *installed]))
    return unknown("attack", named(item), every, OPTION, "`harness attacks list`")
