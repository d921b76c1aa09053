"""How the frontier chart is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.report.html import charts
from harness.report.html.figures.axes import Axis
from harness.report.html.shown import compact

WIDTH, HEIGHT = 760, 430
"""Of the plot in pixels: names are placed for this size, and the page scales the chart whole."""

STAIRCASE, FIT, EXTRAPOLATED = "frontier (ringed models)", "fitted law", "extrapolated"

_ROOM = "width >= 560"
_SHOWN = "(highlight === '' && width >= 560) || datum.model === highlight"
"""Names in a narrow plot would lie over each other; the one that is picked out is shown."""


def specification(
    axis: Axis,
    vertical: str,
    up: tuple[float, float],
    families: Sequence[str],
    *,
    fitted: bool,
    share: bool = False,
) -> dict[str, Any]:
    """The chart; its data are ``models``, ``lines`` and ``equation``.

    Args:
        fitted: whether there is a law; else the legend does not name it.
        share: whether the height is a share: a robust accuracy.
    """
    alt = charts.library()
    x, y = _channels(axis, vertical, up, "~%" if share else None)
    layers = [
        *_lines(alt, x, y, fitted), *_intervals(alt, x, y), *_leaders(alt, x, y, families),
        *_points(alt, x, y, families, share), *_names(alt, x, y),
        alt.Chart(alt.NamedData("equation"))
        .mark_text(style="equation", aria=False, align="right", baseline="top")
        .transform_filter(_ROOM)
        .encode(x=alt.value(alt.expr("width - 6")), y=alt.value(6), text="text:N"),
    ]  # fmt: skip
    return charts.specification(alt.layer(*layers), WIDTH, HEIGHT)


def _channels(
    axis: Axis, vertical: str, up: tuple[float, float], format: str | None
) -> tuple[Any, Any]:
    """Makers of x and y channels of a field."""
    alt = charts.library()
    ends = [compact(end, 7) for end in axis.domain]
    kind = {"type": "log", "reverse": True} if axis.logarithmic else {"zero": False}
    across = alt.Scale(domain=ends, nice=False, **kind)
    ticks = axis.ticks()
    marks = {"tickCount": 8} if ticks is None else {"values": ticks}
    below = alt.Axis(format="~%", labelOverlap="greedy", **marks)
    left = alt.Axis(tickCount=7, **({"format": format} if format else {}))
    beside = alt.Scale(domain=[compact(end) for end in up], nice=False, zero=False)

    def x(field: str) -> Any:
        return alt.X(f"{field}:Q", title=axis.title, scale=across, axis=below)

    def y(field: str) -> Any:
        return alt.Y(f"{field}:Q", title=vertical, scale=beside, axis=left)

    return x, y


def _lines(alt: Any, x: Any, y: Any, fitted: bool) -> list[Any]:
    """The staircase of the frontier, and the law with its extrapolation."""
    law = {FIT: [1, 0], EXTRAPOLATED: [2, 4]} if fitted else {}
    looks = {**law, STAIRCASE: [6, 3]}
    dashes = alt.StrokeDash(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=list(looks), range=list(looks.values())),
        legend=alt.Legend(
            orient="top", symbolType="stroke", symbolSize=500, symbolStrokeWidth=2,
            columns=alt.expr("width < 420 ? 1 : 3"),
        ),
    )  # fmt: skip
    styles = {STAIRCASE: "staircase", EXTRAPOLATED: "extrapolated", FIT: "curve"}
    return [
        alt.Chart(alt.NamedData("lines"))
        .transform_filter(f"datum.kind === '{kind}'")
        .mark_line(style=style, aria=False, clip=True, strokeCap="butt")
        .encode(x=x("x"), y=y("y"), detail="part:N", strokeDash=dashes, order="step:Q")
        for kind, style in styles.items()
    ]


def _intervals(alt: Any, x: Any, y: Any) -> list[Any]:
    rules = alt.Chart(alt.NamedData("models")).mark_rule(style="interval", aria=False, clip=True)
    faint = charts.emphasis(alt, 0.05, 0.3)
    return [
        rules.transform_filter("isValid(datum.x1)").encode(
            x=x("x1"), x2="x2:Q", y=y("y"), strokeOpacity=faint
        ),
        rules.transform_filter("isValid(datum.y1)").encode(
            x=x("x"), y=y("y1"), y2="y2:Q", strokeOpacity=faint
        ),
    ]


def _leaders(alt: Any, x: Any, y: Any, families: Sequence[str]) -> list[Any]:
    return [
        alt.Chart(alt.NamedData("models"))
        .transform_filter(f"datum.leader === 1 && ({_SHOWN})")
        .mark_rule(style="leader", aria=False)
        .encode(
            x=x("x"),
            x2="lx:Q",
            y=y("y"),
            y2="ly:Q",
            color=charts.by_family(alt, alt.Color, families),
        )
    ]


def _points(alt: Any, x: Any, y: Any, families: Sequence[str], share: bool) -> list[Any]:
    models, opacity = alt.Chart(alt.NamedData("models")), charts.emphasis(alt)
    tooltip = [
        alt.Tooltip("model:N"), alt.Tooltip("family:N"), alt.Tooltip("training:N"),
        alt.Tooltip("top1:Q", title="top-1", format=".1%"),
        alt.Tooltip("y:Q", title="robust accuracy", format=".1%") if share
        else alt.Tooltip("y:Q", title="robustness", format=".3~g"),
        alt.Tooltip("residual:N"),
        alt.Tooltip("interval:N", title="95% interval" + ("" if share else " of the residual")),
    ]  # fmt: skip
    return [
        models.transform_filter("datum.member === 1")
        .mark_point(style="member", aria=False)
        .encode(x=x("x"), y=y("y"), opacity=opacity),
        models.mark_point(filled=True, size=85, opacity=1)
        .encode(
            x=x("x"), y=y("y"), opacity=opacity, tooltip=tooltip,
            color=charts.by_family(alt, alt.Color, families),
            shape=charts.by_family(alt, alt.Shape, families),
        )
        .add_params(charts.highlight(alt)),
    ]  # fmt: skip


def _names(alt: Any, x: Any, y: Any) -> list[Any]:
    """Each name with the ground around it, so that lines behind it do not disturb it."""
    return [
        alt.Chart(alt.NamedData("models"))
        .transform_filter(f"datum.align === '{align}' && ({_SHOWN})")
        .mark_text(style=style, aria=False, align=align, baseline="middle")
        .encode(x=x("lx"), y=y("ly"), text="model:N")
        for style in ("halo", "label")
        for align in ("left", "center", "right")
    ]
