"""Printing one thing: its facts as a table of two columns, or the whole of it as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.report.tables import Column, Format, render
from harness.terminal import echo

COLUMNS = (Column("fact", ""), Column("value", ""))

Facts = Sequence[tuple[str, str | None]]


def print_facts(
    facts: Facts,
    whole: Mapping[str, Any],
    format: Format,
    *,
    title: str,
    below: Sequence[str] = (),
) -> None:
    """Print ``facts``, the lines ``below`` under their table, or ``whole`` as one JSON object."""
    if format == "json":
        echo(json.dumps(whole, indent=2, allow_nan=False))
        return
    rows = [{"fact": name, "value": value} for name, value in facts]
    echo(render(rows, COLUMNS, format, title=title))
    if below and format == "table":
        echo("\n" + "\n".join(below))


def number(value: float | None) -> str | None:
    """Four significant digits; None stays unknown."""
    return None if value is None else f"{value:.4g}"


def counts(values: Mapping[str, int]) -> str:
    """``broken 55, robust 5``."""
    return ", ".join(f"{name} {count}" for name, count in sorted(values.items())) or "none"


def pairs(values: Mapping[str, Any]) -> str | None:
    """``a=1, b=2``, or None where there is nothing."""
    return ", ".join(f"{name}={value}" for name, value in values.items()) or None
