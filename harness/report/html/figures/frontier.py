"""Accuracy against robustness, a chart a metric: the models, the frontier and its fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.analysis.columns import MetricColumn
from harness.analysis.leaderboard import Leaderboard
from harness.analysis.place import Entry, Place
from harness.report.html import charts
from harness.report.html.figure import Figure, Rows, Table, Value, Variant
from harness.report.html.figures.labels import SIDES, sides
from harness.report.html.shown import NOTHING, Names, compact, number, percent, span

LEAD = (
    "Each point is a model: to the right the more accurate, upwards the more robust. The curve is"
    " a + b ln(1 - accuracy), fitted through the ringed models, which no other beats in both; it is"
    " dotted where it is extrapolated. Horizontal bars are 95 % intervals of the accuracy, vertical"
    " ones those of the distance from the curve, cut where they leave the plot."
)
HEIGHT = 440
STEPS = 60

Domain = tuple[float, float]


def figure(boards: Sequence[Leaderboard], families: Sequence[str], names: Names) -> Figure | None:
    """The charts of all metrics of the boards, which are one a goal."""
    variants: dict[tuple[str, str], Variant] = {}
    for board in boards:
        for metric in board.columns:
            drawn = _variant(board, metric, families, names)
            if drawn is not None:
                variants.setdefault((metric.title, metric.metric.goal), drawn)
    if not variants:
        return None
    models = tuple(dict.fromkeys(row.model for board in boards for row in board.entries))
    return Figure(
        "frontier", LEAD, ("Metric", "Goal"), tuple(variants.values()),
        highlights=tuple(names.short(model) for model in models),
    )  # fmt: skip


def _variant(
    board: Leaderboard, metric: MetricColumn, families: Sequence[str], names: Names
) -> Variant | None:
    about = {row.model: row for row in board.entries}
    shown = [
        (about[model], place)
        for model, place in metric.places.items()
        if about[model].top1 is not None and place.robustness is not None
    ]
    if not shown:
        return None
    rows: list[dict[str, Value]] = []
    for entry, place in sorted(shown, key=lambda each: not each[1].placing.on_frontier):
        low, high = entry.accuracy.interval or (None, None)
        measured = entry.top1 == entry.accuracy.measured
        spread, fitted = place.spread.distance if place.spread else None, place.placing.fitted
        rows.append(
            {
                "model": names.short(entry.model),
                "family": entry.family or charts.NO_FAMILY,
                "x": compact(entry.top1),
                "x1": compact(low) if measured else None,
                "x2": compact(high) if measured else None,
                "y": compact(place.robustness),
                "y1": compact(fitted + spread[0]) if spread and fitted is not None else None,
                "y2": compact(fitted + spread[1]) if spread and fitted is not None else None,
                "distance": number(place.placing.distance, "+"),
                "interval": span(spread),
                "member": int(place.placing.on_frontier),
            }
        )
    across, up = _domain(rows, "x", "x1", "x2"), _upwards(rows)
    across = max(0.0, across[0]), min(1.0, across[1])
    spots = [(str(row["model"]), _within(row["x"], across), _within(row["y"], up)) for row in rows]
    for row, side in zip(rows, sides(spots), strict=True):
        row["side"] = side
    axis = _axis(metric)
    return Variant(
        choice=(metric.title, metric.metric.goal),
        description=_description(metric, len(rows), axis),
        spec=_spec(axis, across, up, families),
        data={"models": rows, "curve": _curve(metric, across, up)},
        table=_table(board, metric),
        notes=_notes(board, metric),
    )


def _domain(rows: Rows, *fields: str) -> Domain:
    known = [float(row[field] or 0) for row in rows for field in fields if row[field] is not None]
    low, high = min(known), max(known)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def _upwards(rows: Rows) -> Domain:
    """Holds all models; intervals may be cut, as wide ones would flatten everything else."""
    (low, high), whole = _domain(rows, "y"), _domain(rows, "y", "y1", "y2")
    room = 0.3 * (high - low)
    least = 0.0 if all(float(row["y"] or 0) >= 0 for row in rows) else low - room
    return max(whole[0], low - room, least), min(whole[1], high + room)


def _within(value: Value, domain: Domain) -> float:
    return (float(value or 0) - domain[0]) / (domain[1] - domain[0])


def _axis(metric: MetricColumn) -> str:
    if metric.attack is not None:
        return f"mean {metric.metric.norm} distortion"
    return f"mean {metric.title}" + (
        f" ({metric.metric.norm} distance)" if metric.metric.norm else ""
    )


def _description(metric: MetricColumn, models: int, axis: str) -> str:
    fit = metric.frontier.fit
    text = f"Scatter of {models} models: top-1 accuracy against {axis} under {metric.title}"
    text += f", goal {metric.metric.goal}."
    if fit is None:
        return f"{text} No fit: {metric.frontier.reason}."
    return f"{text} The fitted frontier is {number(fit.a)} + {number(fit.b)} ln(1 - accuracy)."


def _curve(metric: MetricColumn, across: Domain, up: Domain) -> Rows:
    """The fit over the plot; the parts inside and outside the frontier's accuracies share ends."""
    fit, members = metric.frontier.fit, metric.frontier.members
    if fit is None:
        return []
    low, high = members[0].accuracy, min(members[-1].accuracy, 0.9999)
    parts = {"left": (across[0], low), "inside": (low, high), "right": (high, across[1])}
    rows: list[dict[str, Value]] = []
    for part, (start, end) in parts.items():
        for step in range(STEPS + 1):
            x = start + (end - start) * step / STEPS
            if start < end and x < 1 and up[0] <= (y := fit.a + fit.b * math.log(1 - x)) <= up[1]:
                rows.append({"part": part, "x": compact(x), "y": compact(y)})
    return rows


def _spec(axis: str, across: Domain, up: Domain, families: Sequence[str]) -> dict[str, Any]:
    alt = charts.library()
    models = alt.Chart(alt.NamedData("models"))
    curve = alt.Chart(alt.NamedData("curve"))
    scales = {
        "x": alt.Scale(domain=[compact(end) for end in across], nice=False, zero=False),
        "y": alt.Scale(domain=[compact(end) for end in up], nice=False, zero=False),
    }
    x = alt.X(
        "x:Q", title="top-1 accuracy", scale=scales["x"], axis=alt.Axis(format="~%", tickCount=8)
    )
    y = alt.Y("y:Q", title=axis, scale=scales["y"], axis=alt.Axis(tickCount=7))
    tooltip = [
        alt.Tooltip("model:N"), alt.Tooltip("family:N"),
        alt.Tooltip("x:Q", title="top-1", format=".1%"),
        alt.Tooltip("y:Q", title="robustness", format=".3~g"),
        alt.Tooltip("distance:N"), alt.Tooltip("interval:N", title="95 % of the distance"),
    ]  # fmt: skip
    opacity = charts.emphasis(alt)
    layers = [
        curve.transform_filter("datum.part === 'inside'").mark_line(style="curve", aria=False),
        curve.transform_filter("datum.part !== 'inside'")
        .mark_line(style="extrapolated", aria=False)
        .encode(detail="part:N"),
    ]
    layers = [layer.encode(x=x, y=y) for layer in layers]
    layers += [
        models.transform_filter("isValid(datum.x1)")
        .mark_rule(style="interval", aria=False, clip=True)
        .encode(x=alt.X("x1:Q", scale=scales["x"], title="top-1 accuracy"), x2="x2:Q", y=y,
                strokeOpacity=charts.emphasis(alt, 0.05, 0.35)),
        models.transform_filter("isValid(datum.y1)")
        .mark_rule(style="interval", aria=False, clip=True)
        .encode(x=x, y=alt.Y("y1:Q", scale=scales["y"], title=axis), y2="y2:Q",
                strokeOpacity=charts.emphasis(alt, 0.05, 0.35)),
        models.transform_filter("datum.member === 1")
        .mark_point(style="member", aria=False).encode(x=x, y=y, opacity=opacity),
        models.mark_point(filled=True, size=85, opacity=1).encode(
            x=x, y=y, opacity=opacity, tooltip=tooltip,
            color=charts.by_family(alt, alt.Color, families),
            shape=charts.by_family(alt, alt.Shape, families),
        ).add_params(charts.highlight(alt)),
    ]  # fmt: skip
    for side, place in SIDES.items():
        near = f"datum.side === '{side}' && (highlight === '' || datum.model === highlight)"
        layers.append(
            models.transform_filter(near)
            .mark_text(style="label", aria=False, opacity=alt.expr("width < 560 ? 0 : 1"), **place)
            .encode(x=x, y=y, text="model:N")
        )
    return charts.specification(alt.layer(*layers), HEIGHT)


def _table(board: Leaderboard, metric: MetricColumn) -> Table:
    headings = ("model", "top-1", "robustness", "distance", "95 % interval", "on the frontier")
    about = {entry.model: entry for entry in board.entries}
    rows = [(about[model], place) for model, place in metric.places.items()]
    rows.sort(key=lambda row: (row[1].rank is None, row[1].rank or 0))
    return Table(headings, tuple(_row(entry, place) for entry, place in rows))


def _row(entry: Entry, place: Place) -> tuple[str, ...]:
    often = f" ({percent(place.spread.on_frontier)} of replicates)" if place.spread else ""
    return (
        entry.model,
        percent(entry.top1),
        number(place.robustness),
        number(place.placing.distance, "+")
        + (" extrapolated" if place.placing.extrapolated else ""),
        span(place.spread.distance) if place.spread else NOTHING,
        ("yes" if place.placing.on_frontier else "no") + often,
    )


def _notes(board: Leaderboard, metric: MetricColumn) -> tuple[str, ...]:
    notes = []
    fit = metric.frontier.fit
    if fit is None:
        notes.append(f"No fit: {metric.frontier.reason}.")
    else:
        r2 = "" if fit.r2 is None else f", R² = {fit.r2:.3f}"
        notes.append(f"Fit: a = {number(fit.a)}, b = {number(fit.b)}{r2}.")
        if metric.intervals and metric.intervals.a and metric.intervals.b:
            notes.append(
                f"95 % over {metric.intervals.replicates} replicates: a from"
                f" {span(metric.intervals.a)}, b from {span(metric.intervals.b)}."
            )
    left = [
        entry.model
        for entry in board.entries
        if entry.top1 is None or metric.places[entry.model].robustness is None
    ]
    if left:
        notes.append(f"Not shown, without a success or an accuracy: {', '.join(left)}.")
    return tuple(notes)
