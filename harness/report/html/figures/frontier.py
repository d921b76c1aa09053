"""Accuracy against robustness, one chart per metric: the models, the frontier and its fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.columns import MetricColumn
from harness.analysis.leaderboard import Leaderboard
from harness.analysis.place import Entry, Place
from harness.api.figure import Figure, Rows, Table, Value, Variant
from harness.api.frontier import Fit, Point
from harness.report.html import charts
from harness.report.html.figures import labels
from harness.report.html.figures.axes import Axis, axes
from harness.report.html.figures.frontier_chart import (
    EXTRAPOLATED,
    FIT,
    HEIGHT,
    STAIRCASE,
    WIDTH,
    specification,
)
from harness.report.html.shown import (
    Names,
    compact,
    norm_name,
    number,
    percent,
    percents,
    span,
    unit,
)
from harness.report.values import points

LEAD = (
    "Each point is a model, more accurate to the right and more robust upwards. The law"
    " a + b ln(error) is fitted through the models on the frontier (ringed): no other model is at"
    " least as accurate and at least as robust. It is dotted where it is extrapolated. Horizontal"
    " bars are 95% intervals of the accuracy, vertical bars those of the residual from the law,"
    " both cut at the edge of the plot. Under a fixed budget the height is the robust accuracy,"
    " with its own interval; such a share has no law, and residuals are from the frontier's steps."
)
STEPS = 60
PRECISE = 7
"""Digits of positions: accuracies may lie within a hundredth of each other."""

LEAST_ERROR = 1e-6
"""Has a logarithm, unlike none at all."""

Domain = tuple[float, float]


def figure(boards: Sequence[Leaderboard], families: Sequence[str], names: Names) -> Figure | None:
    """The charts of all metrics: of joint leaderboards, and of those of fixed budgets."""
    drawn: dict[tuple[str, str], list[Variant]] = {}
    for board in boards:
        for metric in board.columns:
            found = _variants(board, metric, families, names)
            if found:
                drawn.setdefault((metric.title, metric.metric.goal), found)
    if not drawn:
        return None
    models = tuple(dict.fromkeys(row.model for board in boards for row in board.entries))
    return Figure(
        "frontier", LEAD, ("Metric", "Goal", "Horizontal axis"),
        tuple(variant for found in drawn.values() for variant in found),
        highlights=tuple(names.short(model) for model in models),
    )  # fmt: skip


def _height(metric: MetricColumn, place: Place) -> float | None:
    """What the frontier is of: the negative where lower is more robust."""
    return -place.robustness if metric.turned and place.robustness else place.robustness


def _variants(
    board: Leaderboard, metric: MetricColumn, families: Sequence[str], names: Names
) -> list[Variant]:
    """One chart per horizontal axis, the better one first; none without a model to show."""
    about = {row.model: row for row in board.entries}
    shown = [
        (about[model], place)
        for model, place in metric.places.items()
        if about[model].top1 is not None and place.robustness is not None
    ]
    if not shown:
        return []
    steps = metric.frontier.steps
    rows: list[dict[str, Value]] = []
    for entry, place in sorted(shown, key=lambda each: not each[1].placing.on_frontier):
        rows.append(
            {
                "model": names.short(entry.model),
                "family": entry.family or charts.NO_FAMILY,
                "training": entry.training or "unknown",
                "top1": compact(entry.top1),
                "error": _error(entry),
                **_interval(entry),
                "y": compact(_height(metric, place)),
                **(_share(place) if steps else _spread(place)),
                "residual": _residual(place, steps=steps),
                "interval": _interval_text(place, steps=steps),
                "member": int(place.placing.on_frontier),
            }
        )
    errors = [float(row["error"] or 0) for row in rows]
    ends = [float(row[end] or 0) for row in rows for end in ("e1", "e2") if row[end] is not None]
    up, title, table = _upwards(rows), _vertical(metric), _table(board, metric)
    return [
        Variant(
            choice=(metric.title, metric.metric.goal, axis.name),
            heading=(metric.title, f"goal {metric.metric.goal}"),
            description=_description(metric, len(rows), title),
            spec=specification(
                axis, title, up, families, fitted=metric.frontier.fit is not None, share=steps
            ),
            data=_data(rows, metric, axis, up),
            table=table,
            notes=_notes(board, metric),
        )
        for axis in axes(errors, ends)
        if not (steps and axis.logarithmic)  # on which only the law is a straight line
    ]


def _error(entry: Entry) -> float:
    """As the fit counts it: zero errors as half an error."""
    return (1 - (entry.top1 or 0)) or 0.5 / (entry.accuracy.images or 10_000)


def _interval(entry: Entry) -> dict[str, Value]:
    """The ends of the accuracy's interval, as errors; of a published accuracy there is none."""
    if entry.top1 != entry.accuracy.measured or entry.accuracy.interval is None:
        return {"e1": None, "e2": None}
    low, high = entry.accuracy.interval
    return {"e1": 1 - low, "e2": max(1 - high, LEAST_ERROR)}


def _spread(place: Place) -> dict[str, Value]:
    """The ends of the residual's interval, around the law."""
    fitted = place.placing.fitted
    if place.spread is None or place.spread.distance is None or fitted is None:
        return {"y1": None, "y2": None}
    low, high = place.spread.distance
    return {"y1": compact(fitted + low), "y2": compact(fitted + high)}


def _share(place: Place) -> dict[str, Value]:
    """The ends of the robust accuracy's interval."""
    interval = place.attack.robust_accuracy_interval if place.attack else None
    low, high = interval or (None, None)
    return {"y1": compact(low), "y2": compact(high)}


def _residual(place: Place, *, steps: bool) -> str:
    distance = place.placing.distance
    if steps and distance is not None:
        return f"{points(distance)} percentage points"
    return number(distance, "+")


def _interval_text(place: Place, *, steps: bool) -> str:
    if steps:
        return percents(place.attack.robust_accuracy_interval if place.attack else None)
    return span(place.spread.distance if place.spread else None)


def _data(
    rows: Sequence[Mapping[str, Value]], metric: MetricColumn, axis: Axis, up: Domain
) -> dict[str, Rows]:
    law, text = _law(metric, axis, up), equation(metric.frontier.fit)
    spots = [labels.Spot(str(row["model"]), *_pixels(row["error"], row["y"], axis, up))
             for row in rows]  # fmt: skip
    placed = labels.place(
        spots,
        (WIDTH, HEIGHT),
        line=[_pixels(vertex.error, vertex.y, axis, up) for vertex in law],
        taken=[(WIDTH - 1.1 * labels.text_width(text) - 12, 0, WIDTH, 26)] if text else [],
    )
    vertices = [*_staircase(metric.frontier.members, axis), *law]
    return {
        "models": [
            {**{key: value for key, value in row.items() if key not in ("error", "e1", "e2")},
             "x": _x(axis, row["error"]), "x1": _x(axis, row["e1"]), "x2": _x(axis, row["e2"]),
             **_label(label, axis, up)}
            for row, label in zip(rows, placed, strict=True)
        ],
        "lines": [
            {"kind": vertex.kind, "part": vertex.part, "step": step, "x": _x(axis, vertex.error),
             "y": compact(vertex.y)}
            for step, vertex in enumerate(vertices)
        ],
        "equation": [{"text": text}] if text else [],
    }  # fmt: skip


def _pixels(error: Value, y: Value, axis: Axis, up: Domain) -> tuple[float, float]:
    """A place in the plot, from the top left corner."""
    down = (up[1] - float(y or 0)) / (up[1] - up[0])
    return WIDTH * axis.share(float(error or 0)), HEIGHT * down


def _x(axis: Axis, error: Value) -> float | None:
    return None if error is None else compact(axis.value(float(error)), PRECISE)


def _label(label: labels.Label | None, axis: Axis, up: Domain) -> dict[str, Value]:
    if label is None:
        return {"lx": None, "ly": None, "align": "", "leader": 0}
    return {
        "lx": _x(axis, axis.error(label.x / WIDTH)),
        "ly": compact(up[1] - label.y / HEIGHT * (up[1] - up[0]), PRECISE),
        "align": label.align,
        "leader": int(label.leader),
    }


def _upwards(rows: Rows) -> Domain:
    """Holds all models; intervals may be cut, as wide ones would flatten everything else."""
    (low, high), whole = _domain(rows, "y"), _domain(rows, "y", "y1", "y2")
    room = 0.3 * (high - low)
    least = 0.0 if all(float(row["y"] or 0) >= 0 for row in rows) else low - room
    return max(whole[0], low - room, least), min(whole[1], high + room)


def _domain(rows: Rows, *fields: str) -> Domain:
    known = [float(row[field] or 0) for row in rows for field in fields if row[field] is not None]
    low, high = min(known), max(known)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def _vertical(metric: MetricColumn) -> str:
    """The vertical axis, with its unit."""
    if metric.frontier.steps:
        return "robust accuracy"
    if metric.attack is None:
        return f"mean {metric.title}" + (
            f" ({unit(metric.metric.norm)})" if metric.metric.norm else ""
        )
    return f"mean {norm_name(metric.metric.norm)} distortion ({unit(metric.metric.norm)})"


def _description(metric: MetricColumn, models: int, axis: str) -> str:
    text = f"Scatter plot of {models} models: top-1 accuracy against {axis} under {metric.title}"
    text += f", goal {metric.metric.goal}."
    if metric.frontier.steps:
        named = ", ".join(point.name for point in metric.frontier.members)
        return f"{text} On the frontier: {named}."
    if metric.frontier.fit is None:
        return f"{text} No fit: {metric.frontier.reason}."
    return f"{text} Law fitted through the frontier: {equation(metric.frontier.fit)}."


def equation(fit: Fit | None) -> str:
    """The fitted law; empty without one."""
    if fit is None:
        return ""
    sign = "+" if fit.b >= 0 else "−"
    text = f"y = {number(fit.a)} {sign} {number(abs(fit.b))} ln(error)"
    return text if fit.r2 is None else f"{text}, R² = {fit.r2:.2f}"


@dataclass(frozen=True, slots=True)
class _Vertex:
    """Of a line; ``part`` tells apart lines of one kind."""

    kind: str
    part: str
    error: float
    y: float


def _law(metric: MetricColumn, axis: Axis, up: Domain) -> list[_Vertex]:
    """The fit over the plot; the parts inside and outside the frontier's accuracies share ends."""
    fit, members = metric.frontier.fit, metric.frontier.members
    if fit is None:
        return []
    inside = axis.share(members[0].error), axis.share(members[-1].error)
    parts = {"left": (0.0, inside[0]), "inside": inside, "right": (inside[1], 1.0)}
    vertices = []
    for part, (start, end) in parts.items():
        kind = FIT if part == "inside" else EXTRAPOLATED
        for step in range(STEPS + 1):
            error = max(axis.error(start + (end - start) * step / STEPS), LEAST_ERROR)
            y = fit.at(error)
            if start < end and up[0] <= y <= up[1]:
                vertices.append(_Vertex(kind, part, error, y))
    return vertices


def _staircase(members: Sequence[Point], axis: Axis) -> list[_Vertex]:
    """The frontier itself: the most robustness that any model has at an accuracy or above."""
    error, steps = axis.left, []
    for member in members:
        steps += [(error, member.robustness), (member.error, member.robustness)]
        error = member.error
    return [_Vertex(STAIRCASE, "steps", error, y) for error, y in steps]


def _table(board: Leaderboard, metric: MetricColumn) -> Table:
    steps = metric.frontier.steps
    robustness = "robust accuracy" if steps else "robustness"
    headings = ("model", "top-1", robustness, "residual", "95% interval", "on the frontier")
    about = {entry.model: entry for entry in board.entries}
    rows = [(about[model], place) for model, place in metric.places.items()]
    rows.sort(key=lambda row: (row[1].rank is None, row[1].rank or 0))
    return Table(headings, tuple(_row(entry, place, steps=steps) for entry, place in rows))


def _row(entry: Entry, place: Place, *, steps: bool) -> tuple[str, ...]:
    often = f" ({percent(place.spread.on_frontier)} of replicates)" if place.spread else ""
    return (
        entry.model,
        percent(entry.top1),
        percent(place.robustness) if steps else number(place.robustness),
        _residual(place, steps=steps) + (" extrapolated" if place.placing.extrapolated else ""),
        _interval_text(place, steps=steps),
        ("yes" if place.placing.on_frontier else "no") + often,
    )


def _notes(board: Leaderboard, metric: MetricColumn) -> tuple[str, ...]:
    notes = []
    fit = metric.frontier.fit
    if metric.frontier.steps:
        notes.append("95% interval: that of the robust accuracy (Wilson's).")
    elif fit is None:
        notes.append(f"No fit: {metric.frontier.reason}.")
    else:
        r2 = "" if fit.r2 is None else f", R² = {fit.r2:.3f}"
        notes.append(f"Fit: a = {number(fit.a)}, b = {number(fit.b)}{r2}.")
        if metric.intervals and metric.intervals.a and metric.intervals.b:
            notes.append(
                f"95% intervals over {metric.intervals.replicates} replicates: a from"
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
