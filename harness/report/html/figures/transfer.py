"""Transfer heat maps: rows are sources, columns targets, families side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from harness.api import Goal
from harness.api.figure import Figure, Table, Value, Variant
from harness.api.transfers import TransferMatrix
from harness.report.html import charts
from harness.report.html.shown import NOTHING, Names, compact, percent

LEAD = (
    "The adversarial images of one model on every other model, in percent. Each row is the source,"
    " the model that was attacked; each column a target, on which its images were evaluated."
    " Families are set apart by gaps. Failed attacks count with their last iterate."
)
DENOMINATORS = {
    "paper": "all attacked images",
    "code": "images that the target classifies correctly",
}
LEAST_CELL = 27
CELL = (33, 25)
"""Width and height of a cell in pixels."""


def figure(matrices: Sequence[TransferMatrix], names: Names) -> Figure | None:
    """One chart per matrix."""
    if not matrices:
        return None
    size = max(len(matrix.models) for matrix in matrices)
    return Figure(
        "transfer", LEAD, ("Attack", "Goal", "Rate", "Images"),
        tuple(_variant(matrix, names) for matrix in matrices),
        least_width=160 + LEAST_CELL * size if size > 6 else 0,
    )  # fmt: skip


def _variant(matrix: TransferMatrix, names: Names) -> Variant:
    rate = "error rate" if matrix.goal == Goal.UNTARGETED else f"top-{matrix.k} match"
    choice = (matrix.attack.label, matrix.goal, rate, DENOMINATORS[matrix.denominator])
    order = [names.short(model) for model in matrix.models]
    rows: list[dict[str, Value]] = [
        {
            "source": names.short(source),
            "target": names.short(target),
            "rate": compact(cell.rate.value),
            "of": cell.rate.images,
            "clean": compact(cell.clean_error.value),
        }
        for (source, target), cell in matrix.cells.items()
    ]
    return Variant(
        choice=choice,
        heading=(choice[0], f"goal {choice[1]}", *choice[2:]),
        description=f"Heat map of {rate} by source and target model: {matrix.attack.label}, goal"
        f" {matrix.goal}, {choice[3]}.",
        spec=_spec(tuple(order), rate),
        data={"cells": rows, "breaks": _breaks(matrix, names)},
        table=_table(matrix, order),
        notes=matrix.notes,
    )


def _breaks(matrix: TransferMatrix, names: Names) -> list[dict[str, Value]]:
    """The models before which another family ends."""
    pairs = zip(matrix.models, matrix.models[1:], strict=False)
    return [
        {"source": names.short(after), "target": names.short(after)}
        for before, after in pairs
        if matrix.families.get(before) != matrix.families.get(after)
    ]


@cache
def _spec(order: tuple[str, ...], rate: str) -> dict[str, Any]:
    alt = charts.library()
    cells = alt.Chart(alt.NamedData("cells"))
    breaks = alt.Chart(alt.NamedData("breaks"))
    band = alt.Scale(domain=list(order), paddingInner=0.06)
    across = {
        "axis": alt.Axis(labelAngle=-50, labelLimit=150),
        "scale": band,
        "title": "target: evaluated on",
    }
    down = {"axis": alt.Axis(labelLimit=150), "scale": band, "title": "source: attacked model"}
    x, y = alt.X("target:N", **across), alt.Y("source:N", **down)
    colour = alt.Color(
        "rate:Q", title=rate, scale=alt.Scale(domain=[0, 1], range="heatmap"),
        legend=alt.Legend(format="%", tickCount=5, orient="right", gradientLength=200),
    )  # fmt: skip
    tooltip = [
        alt.Tooltip("source:N", title="source"),
        alt.Tooltip("target:N", title="target"),
        alt.Tooltip("rate:Q", title=rate, format=".1%"),
        alt.Tooltip("of:Q", title="of images"),
        alt.Tooltip("clean:Q", title="clean error of the target", format=".1%"),
    ]
    figures = cells.transform_calculate(shown="round(100 * datum.rate)")
    layers = [
        cells.mark_rect(cornerRadius=2).encode(x=x, y=y, color=colour, tooltip=tooltip),
        *(
            figures.transform_filter(f"isValid(datum.rate) && {test}")
            .mark_text(style=style, aria=False, baseline="middle")
            .encode(x=x, y=y, text="shown:Q")
            for style, test in (
                ("cell-low", "datum.rate < 0.55"),
                ("cell-high", "datum.rate >= 0.55"),
            )
        ),
        breaks.mark_rule(style="break", aria=False).encode(
            x=alt.X("target:N", bandPosition=0, **across)
        ),
        breaks.mark_rule(style="break", aria=False).encode(
            y=alt.Y("source:N", bandPosition=0, **down)
        ),
    ]
    return charts.specification(alt.layer(*layers), CELL[0] * len(order), CELL[1] * len(order))


def _table(matrix: TransferMatrix, order: Sequence[str]) -> Table:
    def text(source: str, target: str) -> str:
        cell = matrix.cells.get((source, target))
        return NOTHING if cell is None else percent(cell.rate.value)

    rows = tuple(
        (short, *(text(source, target) for target in matrix.models))
        for source, short in zip(matrix.models, order, strict=True)
    )
    return Table(("source \\ target", *order), rows)
