"""Loss and margin around an image, over two directions; the boundary is where the margin is 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.api import MeasuredImage, Reported, ReportSection, Section
from harness.api.figure import Figure, Table, Value, Variant
from harness_metrics.show_surface import ARRAYS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Drawn = tuple[MeasuredImage, Mapping[str, Array]]
    Short = Callable[[str], str]

LEAD = (
    "The model's loss and decision margin in a plane through the image, which is the dot: a is the"
    " position along the first direction, b along the second. The decision changes at the bold"
    " line."
)
MOST = 12
UNITS = {"margin": "margin (logits)", "loss": "loss (nats)"}
OVERLAP = 1.15
"""Of neighbouring cells, as no seam may show between them."""
SIZE = 420
"""Of the plot in pixels: both directions have the same unit."""


class Surfaces(ReportSection):
    """Of the suite's models, image by image."""

    title = "Loss and decision surfaces"
    absent = "No surfaces are stored."

    def section(self, reported: Reported) -> Section | None:
        found = reported.suite.measured(*ARRAYS)
        shown = [(each, reported.results.arrays(each)) for each in found[:MOST]]
        notes = (f"{MOST} of {len(found)} surfaces are shown.",) if len(found) > MOST else ()
        drawn = figure(shown, reported.short, notes)
        return None if drawn is None else Section(figure=drawn)


def figure(stored: Sequence[Drawn], short: Short, notes: tuple[str, ...]) -> Figure | None:
    """Two charts per surface."""
    variants = tuple(
        _variant(drawn, quantity, short, notes) for drawn in stored for quantity in UNITS
    )
    selectors = ("Model", "Image", "Plane", "Quantity")
    return Figure("surface", LEAD, selectors, variants) if variants else None


def _variant(drawn: Drawn, quantity: str, short: Short, notes: tuple[str, ...]) -> Variant:
    surface, arrays = drawn
    plane, image = f"{surface.measurement}, {surface.goal}", surface.image.name
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
        choice=(short(surface.model), image, plane, quantity),
        heading=(short(surface.model), f"image {image}", plane),
        description=f"Heat map of the {quantity} of {surface.model} around image {image},"
        f" from {number(low)} to {number(high)}.",
        spec=_spec(quantity, half, max(abs(low), abs(high))),
        data={
            "cells": cells,
            "boundary": list(boundary(a, b, arrays["margin"].reshape(len(b), len(a)).T)),
            "origin": [{"a": 0, "b": 0}],
        },
        table=_table(a, b, grid),
        notes=notes,
    )


def boundary(a: Array, b: Array, margin: Array) -> Iterator[dict[str, Value]]:
    """Where the margin is 0, linearly between grid points: a segment or two per square of four."""
    for i in range(len(a) - 1):
        for j in range(len(b) - 1):
            corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
            ends = []
            for one, other in zip(corners, [*corners[1:], corners[0]], strict=True):
                low, high = float(margin[one]), float(margin[other])
                if (low > 0) != (high > 0):
                    share = low / (low - high)
                    ends.append((_between(a[one[0]], a[other[0]], share),
                                 _between(b[one[1]], b[other[1]], share)))  # fmt: skip
            for start, end in zip(ends[::2], ends[1::2], strict=True):
                yield {"a": start[0], "b": start[1], "a2": end[0], "b2": end[1]}


def _between(low: float, high: float, share: float) -> float | None:
    return compact(float(low) + share * float(high - low))


def _spec(quantity: str, half: tuple[float, float], most: float) -> dict[str, Any]:
    import altair as alt

    domain, colours = ([-most, most], "diverging") if quantity == "margin" else (
        [0, most], "heatmap")  # fmt: skip
    shared = {"scale": alt.Scale(nice=False, zero=False), "axis": alt.Axis(tickCount=5)}
    x = alt.X("a0:Q", title="a, along the first direction", **shared)
    y = alt.Y("b0:Q", title="b, along the second direction", **shared)
    cells = (
        alt.Chart(alt.NamedData("cells"))
        .transform_calculate(
            a0=f"datum.a - {half[0]!r}", a1=f"datum.a + {OVERLAP * half[0]!r}",
            b0=f"datum.b - {half[1]!r}", b1=f"datum.b + {OVERLAP * half[1]!r}",
        )
        .mark_rect(aria=False)
        .encode(
            x=x, x2="a1:Q", y=y, y2="b1:Q",
            color=alt.Color("z:Q", title=UNITS[quantity],
                            legend=alt.Legend(gradientLength=220),
                            scale=alt.Scale(domain=[compact(end) for end in domain],
                                            range=colours)),
            tooltip=[alt.Tooltip("a:Q"), alt.Tooltip("b:Q"), alt.Tooltip("z:Q", title=quantity)],
        )
    )  # fmt: skip
    boundary = (
        alt.Chart(alt.NamedData("boundary"))
        .mark_rule(style="boundary", aria=False)
        .encode(x="a:Q", x2="a2:Q", y="b:Q", y2="b2:Q")
    )
    origin = (
        alt.Chart(alt.NamedData("origin"))
        .mark_point(style="origin", description="the image itself")
        .encode(x="a:Q", y="b:Q")
    )
    chart = alt.layer(cells, boundary, origin).properties(width=SIZE, height=SIZE)
    spec: dict[str, Any] = chart.to_dict(validate=False)
    return {name: part for name, part in spec.items() if name not in ("$schema", "config")}


def _table(a: Array, b: Array, grid: Array) -> Table:
    """A coarse view: at most 9 x 9 of the grid."""
    rows = range(0, len(a), max(1, len(a) // 8))
    columns = range(0, len(b), max(1, len(b) // 8))
    headings = ("a \\ b", *(number(float(b[j])) for j in columns))
    return Table(
        headings,
        tuple((number(float(a[i])), *(number(float(grid[i, j])) for j in columns)) for i in rows),
    )


def compact(value: float) -> float | None:
    """Four significant digits, for the data behind a chart."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def number(value: float) -> str:
    """Three significant digits, for people."""
    text = f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"
    return text.replace("-", "−")
