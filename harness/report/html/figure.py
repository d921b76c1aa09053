"""What a figure of the report is, apart from how it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


def packed(rows: Rows) -> dict[str, Any]:
    """Rows as columns; texts become places in a list of the different ones."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _column([row.get(name) for row in rows]) for name in names}


def _column(values: Sequence[Value]) -> Any:
    if not any(isinstance(value, str) for value in values):
        return list(values)
    texts = list(dict.fromkeys(values))
    places = {text: place for place, text in enumerate(texts)}
    return {"texts": texts, "places": [places[value] for value in values]}


def page_data(figures: Iterable[Figure]) -> dict[str, Any]:
    """The figures as the page's script reads them; equal specifications are there once."""
    return {figure.name: _figure(figure) for figure in figures}


def _figure(figure: Figure) -> dict[str, Any]:
    specs: list[Mapping[str, Any]] = []
    variants = []
    for variant in figure.variants:
        if variant.spec not in specs:
            specs.append(variant.spec)
        variants.append(
            {
                "choice": variant.choice,
                "description": variant.description,
                "spec": specs.index(variant.spec),
                "data": {name: packed(rows) for name, rows in variant.data.items()},
                "table": {"headings": variant.table.headings, "rows": variant.table.rows},
                "notes": variant.notes,
            }
        )
    return {
        "selectors": figure.selectors,
        "highlights": figure.highlights,
        "specs": specs,
        "variants": variants,
    }
