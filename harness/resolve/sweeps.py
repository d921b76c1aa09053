"""Sweeps: an entry whose parameter is a list of values stands for one task for each of them."""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import product
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from harness.api import AttackParameters, ConfigError, Measurement
from harness.registry import AttackEntry, MeasurementEntry, MemberEntry

MOST = 1000
"""Tasks of one entry."""

Entry = TypeVar("Entry", AttackEntry, MeasurementEntry, MemberEntry)


def swept(
    entry: Entry, kind: type[AttackParameters] | type[Measurement], where: str
) -> list[Entry]:
    """``entry`` once for each combination of its lists' values, or itself.

    A list for a parameter that takes lists is one value.

    Raises:
        ConfigError: a list is empty, or there are too many combinations.
    """
    lists = {
        name: value
        for name, value in entry.parameters.items()
        if isinstance(value, list) and _single(kind, name)
    }
    if not lists:
        return [entry]
    for name, values in lists.items():
        if not values:
            raise ConfigError(f"{name}: the list is empty", where=where, hint="give it a value")
    count = math.prod(len(values) for values in lists.values())
    if count > MOST:
        raise ConfigError(f"{count:,} combinations, more than {MOST:,}", where=where)
    return [
        entry.model_copy(
            update={"parameters": {**entry.parameters, **dict(zip(lists, values, strict=True))}}
        )
        for values in product(*lists.values())
    ]


def _single(kind: type[AttackParameters] | type[Measurement], name: str) -> bool:
    """Whether a parameter exists and takes no lists."""
    field = kind.model_fields.get(name)
    return field is not None and not _takes_lists(field.annotation)


def _takes_lists(annotation: Any) -> bool:
    annotation = getattr(annotation, "__value__", annotation)  # of a ``type`` statement
    origin = get_origin(annotation) or annotation
    if origin in (Union, UnionType):
        return any(map(_takes_lists, get_args(annotation)))
    if origin is Literal:
        return False
    if not isinstance(origin, type):  # Any, a TypeVar
        return True
    return issubclass(origin, Collection) and not issubclass(origin, str | bytes)
