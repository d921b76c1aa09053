"""One thing as a table of its facts, or as one JSON object; and how facts are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from harness.report.presentation import Drawing, Field, Presentation, present

Fact = tuple[str, str | None]

FIELDS: tuple[Field[Fact], ...] = (
    Field("fact", "", value=itemgetter(0)),
    Field("value", "", value=itemgetter(1)),
)


def listed(
    facts: Sequence[Fact],
    whole: Mapping[str, Any],
    *,
    title: str,
    parts: Iterable[Drawing] = (),
) -> Presentation:
    """``facts`` for people and CSV; ``whole`` for JSON."""
    return present(FIELDS, facts, title=title, parts=parts, document=whole)


def number(value: float | None) -> str | None:
    """Four significant digits; None stays unknown."""
    return None if value is None else f"{value:.4g}"


def counts(values: Mapping[str, int]) -> str:
    """``broken 55, robust 5``."""
    return ", ".join(f"{name} {count}" for name, count in sorted(values.items())) or "none"


def pairs(values: Mapping[str, Any]) -> str | None:
    """``a=1, b=2``, or None where there is nothing."""
    return ", ".join(f"{name}={value}" for name, value in values.items()) or None
