"""Loss and margin around an image, over two directions; the boundary is where the margin is 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.report.html import charts
from harness.report.html.figure import Figure, Table, Value, Variant
from harness.report.html.shown import Names, compact, number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.store.read.surfaces import DrawnSurface

    Array = NDArray[np.float32]

LEAD = (
    "The model's loss and decision margin in a plane through the image: a goes along the first"
    " direction, b along the second, the dot is the image itself. Along the dark line the decision"
    " changes."
)
MOST = 12
QUANTITIES = ("margin", "loss")
HEIGHT = 460


def figure(stored: Sequence[DrawnSurface], names: Names) -> Figure | None:
    """Two charts a surface, of the first `MOST`."""
    notes = (f"{MOST} of {len(stored)} surfaces are shown.",) if len(stored) > MOST else ()
    variants = tuple(
        _variant(surface, quantity, names, notes)
        for surface in stored[:MOST]
        for quantity in QUANTITIES
    )
    selectors = ("Model", "Image", "Quantity")
    return Figure("surface", LEAD, selectors, variants) if variants else None


def _variant(surface: DrawnSurface, quantity: str, names: Names, notes: tuple[str, ...]) -> Variant:
    import numpy as np

    arrays = {name: np.frombuffer(data, "<f4") for name, data in surface.arrays.items()}
    a, b = arrays["a"], arrays["b"]
    # Stored row by row of b.
    grid = arrays[quantity].reshape(len(b), len(a)).T
    half = (float(a[1] - a[0]) / 2, float(b[1] - b[0]) / 2)
    cells: list[dict[str, Value]] = [
        {"a": compact(a[i]), "b": compact(b[j]), "z": compact(grid[i, j])}
        for i in range(len(a))
        for j in range(len(b))
    ]
    low, high = float(grid.min()), float(grid.max())
    return Variant(
        choice=(names.short(surface.model), surface.image, quantity),
        description=f"Heat map of the {quantity} of {surface.model} around image {surface.image},"
        f" from {number(low)} to {number(high)}.",
        spec=_spec(quantity, half, max(abs(low), abs(high))),
        data={
            "cells": cells,
            "boundary": list(_boundary(a, b, arrays["margin"].reshape(len(b), len(a)).T, half)),
            "origin": [{"a": 0, "b": 0}],
        },
        table=_table(a, b, grid),
        notes=notes,
    )


def _boundary(
    a: Array, b: Array, margin: Array, half: tuple[float, float]
) -> Iterator[dict[str, Value]]:
    """The edges between grid cells whose margins differ in sign."""
    for i in range(len(a)):
        for j in range(len(b)):
            left, right = a[i] - half[0], a[i] + half[0]
            low, high = b[j] - half[1], b[j] + half[1]
            here = margin[i, j] > 0
            if i + 1 < len(a) and here != (margin[i + 1, j] > 0):
                yield _edge(right, right, low, high)
            if j + 1 < len(b) and here != (margin[i, j + 1] > 0):
                yield _edge(left, right, high, high)


def _edge(a1: float, a2: float, b1: float, b2: float) -> dict[str, Value]:
    return {"a": compact(a1), "a2": compact(a2), "b": compact(b1), "b2": compact(b2)}


def _spec(quantity: str, half: tuple[float, float], most: float) -> dict[str, Any]:
    alt = charts.library()
    domain, colours = ([-most, most], "diverging") if quantity == "margin" else (
        [0, most], "heatmap")  # fmt: skip
    x = alt.X("a0:Q", title="a", scale=alt.Scale(nice=False, zero=False))
    y = alt.Y("b0:Q", title="b", scale=alt.Scale(nice=False, zero=False))
    cells = (
        alt.Chart(alt.NamedData("cells"))
        .transform_calculate(
            a0=f"datum.a - {half[0]!r}", a1=f"datum.a + {half[0]!r}",
            b0=f"datum.b - {half[1]!r}", b1=f"datum.b + {half[1]!r}",
        )
        .mark_rect(aria=False)
        .encode(
            x=x, x2="a1:Q", y=y, y2="b1:Q",
            color=alt.Color("z:Q", title=quantity,
                            scale=alt.Scale(domain=[compact(end) for end in domain],
                                            range=colours)),
            tooltip=[alt.Tooltip("a:Q"), alt.Tooltip("b:Q"), alt.Tooltip("z:Q", title=quantity)],
        )
    )  # fmt: skip
    boundary = (
        alt.Chart(alt.NamedData("boundary"))
        .mark_rule(style="boundary", aria=False)
        .encode(x=alt.X("a:Q", title="a"), x2="a2:Q", y=alt.Y("b:Q", title="b"), y2="b2:Q")
    )
    origin = (
        alt.Chart(alt.NamedData("origin"))
        .mark_point(style="origin", description="the image itself")
        .encode(x=alt.X("a:Q", title="a"), y=alt.Y("b:Q", title="b"))
    )
    return charts.specification(alt.layer(cells, boundary, origin), HEIGHT)


def _table(a: Array, b: Array, grid: Array) -> Table:
    """A coarse view: at most 9 x 9 of the grid."""
    rows = range(0, len(a), max(1, len(a) // 8))
    columns = range(0, len(b), max(1, len(b) // 8))
    headings = ("a \\ b", *(number(float(b[j])) for j in columns))
    return Table(
        headings,
        tuple((number(float(a[i])), *(number(float(grid[i, j])) for j in columns)) for i in rows),
    )
