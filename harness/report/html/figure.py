"""Figures as the page's script reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.api.figure import Figure, Rows, Value


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
