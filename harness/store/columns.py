"""Records as rows: the columns of a table are the fields of its record.

A field that is a record itself is laid out in its place: under its own columns' names, or, where it
is optional, with the field's name before them (``rounded`` -> ``rounded_status``). Tuples are JSON.
Mappings have tables of their own. ``image_id`` and ``label`` are those of the table ``images``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from enum import Enum
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from harness.api import CleanPrediction, Measured, Outcome, Status
from harness.identity import canonical_json

_R = TypeVar("_R")

_OF_IMAGES = ("image_id", "label")


def listed(which: Callable[[Status], bool]) -> str:
    """The statuses of which ``which`` is true, as a list in SQL."""
    return f"({', '.join(repr(status.value) for status in Status if which(status))})"


JUDGED = listed(lambda status: status.judged)
RETRYABLE = listed(lambda status: status.retryable)


@dataclass(frozen=True, slots=True)
class _Part:
    """A field and the place of its columns.

    Attributes:
        layout: of a field that is a record.
        convert: what SQLite returns into what the field holds; None: they are the same.
    """

    field: str
    place: slice
    optional: bool
    layout: Columns[Any] | None
    convert: Callable[[Any], object] | None


class Columns(Generic[_R]):
    """The columns of the records of one class.

    Attributes:
        names: in the order of `values`.
    """

    names: tuple[str, ...]

    def __init__(self, record: type[_R]) -> None:
        self._record = record
        self._parts: list[_Part] = []
        names: list[str] = []
        for name, hint in get_type_hints(record).items():
            kind, optional = _kind(hint)
            if name in _OF_IMAGES or kind is Mapping:
                continue
            layout: Columns[Any] | None = Columns(kind) if is_dataclass(kind) else None
            inner: tuple[str, ...] = layout.names if layout else (name,)
            prefix = f"{name}_" if layout and optional else ""
            place = slice(len(names), len(names) + len(inner))
            names += [prefix + each for each in inner]
            convert = _CONVERTERS.get(kind)
            self._parts.append(_Part(name, place, optional, layout, convert))
        self.names = tuple(names)
        self._flat = not any(part.layout or part.convert for part in self._parts)

    def values(self, row: _R) -> list[Any]:
        """The row as SQLite takes it; a number that is not finite is NULL."""
        found: list[Any] = []
        for part in self._parts:
            value = getattr(row, part.field)
            if part.layout is None:
                found.append(_stored(value))
            elif value is None:
                found += [None] * len(part.layout.names)
            else:
                found += part.layout.values(value)
        return found

    def read(self, values: Sequence[Any], **others: Any) -> _R:
        """The record of the values of `names`; ``others`` are the fields that are not columns."""
        if self._flat and not others:  # a leaderboard reads very many norms and passes
            return self._record(*values)
        for part in self._parts:
            value = values[part.place.start]
            if part.layout is not None:
                inner = values[part.place]
                absent = part.optional and inner.count(None) == len(inner)
                value = None if absent else part.layout.read(inner)
            elif part.convert is not None and value is not None:
                value = part.convert(value)
            others[part.field] = value
        return self._record(**others)


def _kind(hint: Any) -> tuple[type, bool]:
    """A field's class, and whether None may be there."""
    kinds = get_args(hint)
    if NoneType not in kinds:
        return get_origin(hint) or hint, False
    (kind,) = (each for each in kinds if each is not NoneType)
    return get_origin(kind) or kind, True


_CONVERTERS: Mapping[type, Callable[[Any], object]] = {
    bool: bool,
    Status: Status,
    tuple: lambda text: tuple(json.loads(text)),
}


def _stored(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return canonical_json(value)
    return finite(value) if isinstance(value, float) else value


def finite(value: float | None) -> float | None:
    """``value``, or None where it is NaN or infinite."""
    return None if value is None or not math.isfinite(value) else float(value)


CLEAN = Columns(CleanPrediction)
OUTCOME = Columns(Outcome)
MEASURED = Columns(Measured)
