"""What a figure of the report is, apart from how it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = str | float | int | None
Rows = Sequence[Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class Table:
    """A chart's numbers as text, for whoever does not see it."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """One chart of a figure.

    Attributes:
        choice: an option of each of the figure's selectors.
        heading: of a file of its own.
        description: what it shows, in a sentence: the accessible name.
        spec: Vega-Lite, whose data are named.
        data: the rows of each name.
    """

    choice: tuple[str, ...]
    heading: tuple[str, ...]
    description: str
    spec: Mapping[str, Any]
    data: Mapping[str, Rows]
    table: Table
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """Charts of one kind, of which the reader selects one.

    Attributes:
        name: of the files that ``--figures`` writes, and within the page.
        lead: how to read it.
        highlights: what can be picked out: the value of the chart's parameter ``highlight``.
        least_width: in pixels; a narrower screen scrolls the figure.
    """

    name: str
    lead: str
    selectors: tuple[str, ...]
    variants: tuple[Variant, ...]
    highlights: tuple[str, ...] = ()
    least_width: int = 0
