"""What attacks and measurements declare, checked before anything relies on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from harness.api import (
    Access,
    Attack,
    AttackParameters,
    CompositeAttack,
    Goal,
    Measurement,
    Norm,
)
from harness.contained import checked_members

_Rule = Callable[[object], bool]


def check_attack(attack: AttackParameters) -> None:
    """
    Raises:
        TypeError: a declaration is not what the API says. Exception: what reading it raised.
    """
    _check(
        attack,
        norm=lambda value: isinstance(value, Norm),
        goals=_goals,
        default_goals=lambda value: isinstance(value, tuple) and _goals(frozenset(value)),
        access=lambda value: isinstance(value, Access),
        budget=lambda value: value is None or _finite(value),
        confidence=_finite,
    )
    if isinstance(attack, CompositeAttack):
        for each in checked_members(attack):
            check_attack(each)
    if isinstance(attack, Attack):
        _check(attack, most_images=lambda value: value is None or _count(value))


def check_measurement(measurement: Measurement) -> None:
    """As `check_attack`."""
    _check(
        measurement,
        goals=_goals,
        access=lambda value: isinstance(value, Access),
        scores=_names,
        starts_from=lambda value: value is None or isinstance(value, str),
        rows=lambda value: value is None or _count(value),
    )


def _check(thing: object, **rules: _Rule) -> None:
    for name, holds in rules.items():
        value = getattr(thing, name)
        if not holds(value):
            raise TypeError(f"its {name} is {value!r}")


def _goals(value: object) -> bool:
    return isinstance(value, frozenset | set) and all(isinstance(goal, Goal) for goal in value)


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _count(value: object) -> bool:
    return isinstance(value, int) and value >= 1


def _names(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(unit, str) for name, unit in value.items()
    )
