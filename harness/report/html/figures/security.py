"""Security curves: the success rate within a budget, one line per model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.analysis.leaderboard import Leaderboard
from harness.analysis.security import SecurityCurve, security_curve
from harness.api.figure import Figure, Table, Value, Variant
from harness.report.html import charts
from harness.report.html.shown import Names, compact, norm_name, number, unit

LEAD = (
    "The share of the attacked images on which the attack succeeds within a budget: the lower a"
    " line, the more robust the model."
)
POINTS = 40
"""Of a line at most: it then rises at quantiles of the distances."""
WIDTH, HEIGHT = 640, 400
LONG_TAIL = 0.97
"""The axis ends where this share of all broken images is reached."""


def figure(boards: Sequence[Leaderboard], families: Sequence[str], names: Names) -> Figure | None:
    """One chart per leaderboard; None where nothing has a verdict."""
    variants = tuple(v for board in boards if (v := _variant(board, families, names)))
    if not variants:
        return None
    models = dict.fromkeys(names.short(entry.model) for board in boards for entry in board.entries)
    return Figure("security", LEAD, ("Attack", "Goal"), variants, highlights=tuple(models))


def _variant(board: Leaderboard, families: Sequence[str], names: Names) -> Variant | None:
    norm = board.trial.attack.norm
    curves = {
        entry.model: security_curve(norm, attack.distortions, attacked=attack.attacked)
        for entry, place in board.rows
        if (attack := place.attack) and attack.attacked
    }
    moved = sorted(budget for curve in curves.values() for budget in curve.budgets)
    if not moved:
        return None
    end = moved[math.ceil(LONG_TAIL * len(moved)) - 1] * 1.02 or 1.0
    family = {entry.model: entry.family or charts.NO_FAMILY for entry in board.entries}
    order = sorted(curves, key=lambda model: _highest_first(curves[model], end))
    key = charts.key_rows([(model, family[model]) for model in order], names.short)
    dash = {row["model"]: row["dash"] for row in key}
    rows: list[dict[str, Value]] = [
        {"model": names.short(model), "family": family[model], "budget": x, "success": y,
         "dash": dash.get(names.short(model), 0)}
        for model, curve in curves.items()
        for x, y in points(curve, end)
    ]  # fmt: skip
    choice = (board.trial.attack.label, board.trial.goal)
    return Variant(
        choice=choice,
        heading=(choice[0], f"goal {choice[1]}"),
        description=f"Success rate of {choice[0]}, goal {choice[1]}, within the {norm} budget, on"
        f" {len(curves)} models.",
        spec=_spec(norm, end, families),
        data={"curves": rows, "key": key},
        table=_table(curves),
    )


def _highest_first(curve: SecurityCurve, end: float) -> tuple[float, float]:
    """The order of lines from the top: at half of the images, then at the right."""
    half = curve.budget_for(0.5)
    return (math.inf if half is None else half), -(curve.success(end) or 0.0)


def points(curve: SecurityCurve, end: float) -> list[tuple[float | None, float | None]]:
    """Where the line rises, from budget 0 to ``end``; at most `POINTS` places and the two ends."""
    steps = [step for step in curve.steps if step[0] <= end]
    if len(steps) > POINTS:
        last = len(steps) - 1
        steps = [steps[round(last * place / (POINTS - 1))] for place in range(POINTS)]
    first = curve.success(0.0) or 0.0
    line = [(0.0, first), *steps, (end, curve.success(end) or 0.0)]
    return [(compact(x), compact(y)) for x, y in line]


def _spec(norm: str, end: float, families: Sequence[str]) -> dict[str, Any]:
    alt = charts.library()
    colour = charts.by_family(alt, alt.Color, families)
    lines = (
        alt.Chart(alt.NamedData("curves"))
        .mark_line(interpolate="step-after", strokeWidth=1.75)
        .encode(
            x=alt.X("budget:Q", title=f"{norm_name(norm)} budget ({unit(norm)})",
                    scale=alt.Scale(domain=[0, compact(end)], nice=False),
                    axis=alt.Axis(format=".3~g", tickCount=8)),
            y=alt.Y("success:Q", title="success rate", axis=alt.Axis(format="%"),
                    scale=alt.Scale(domain=[0, 1])),
            color=colour,
            strokeDash=charts.dashes(alt),
            detail="model:N",
            strokeOpacity=charts.emphasis(alt, full=0.85),
            tooltip=[alt.Tooltip("model:N"), alt.Tooltip("family:N")],
        )
        .add_params(charts.highlight(alt))
    )  # fmt: skip
    return charts.specification(alt.layer(lines, *charts.key(alt, colour)), WIDTH, HEIGHT)


def _table(curves: dict[str, SecurityCurve]) -> Table:
    shares = (0.1, 0.5, 0.9)
    headings = (
        "model",
        "attacked images",
        *(f"budget for {share:.0%} success rate" for share in shares),
    )
    rows = tuple(
        (model, str(curve.attacked),
         *(number(curve.budget_for(share)) for share in shares))
        for model, curve in curves.items()
    )  # fmt: skip
    return Table(headings, rows)
