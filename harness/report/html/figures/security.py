"""Security curves: the success within a budget, a line a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.analysis.leaderboard import Leaderboard
from harness.analysis.security import SecurityCurve, security_curve
from harness.report.html import charts
from harness.report.html.figure import Figure, Table, Value, Variant
from harness.report.html.shown import Names, compact, number

LEAD = (
    "How many of the attacked images are broken within a budget of the attack's norm: the lower a"
    " line, the more robust the model."
)
POINTS = 40
"""Of a line at most: it then rises at quantiles of the distances."""
HEIGHT = 400
LONG_TAIL = 0.97
"""The axis ends where this share of all broken images is reached."""


def figure(boards: Sequence[Leaderboard], families: Sequence[str], names: Names) -> Figure | None:
    """A chart a board; None where nothing has a verdict."""
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
    rows: list[dict[str, Value]] = [
        {"model": names.short(model), "family": family[model], "budget": x, "success": y}
        for model, curve in curves.items()
        for x, y in points(curve, end)
    ]
    choice = (board.trial.attack.label, board.trial.goal)
    return Variant(
        choice=choice,
        description=f"Success of {choice[0]}, goal {choice[1]}, within the {norm} budget, on"
        f" {len(curves)} models.",
        spec=_spec(norm, end, families),
        data={"curves": rows},
        table=_table(curves),
    )


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
    unit = "changed values" if norm == "l0" else "pixel space [0, 1]"
    chart = (
        alt.Chart(alt.NamedData("curves"))
        .mark_line(interpolate="step-after", strokeWidth=1.75)
        .encode(
            x=alt.X("budget:Q", title=f"{norm} budget ({unit})",
                    scale=alt.Scale(domain=[0, compact(end)], nice=False),
                    axis=alt.Axis(format=".3~g", tickCount=8)),
            y=alt.Y("success:Q", title="success", axis=alt.Axis(format="%"),
                    scale=alt.Scale(domain=[0, 1])),
            color=charts.by_family(alt, alt.Color, families),
            detail="model:N",
            strokeOpacity=charts.emphasis(alt, full=0.85),
            tooltip=[alt.Tooltip("model:N"), alt.Tooltip("family:N")],
        )
        .add_params(charts.highlight(alt))
    )  # fmt: skip
    return charts.specification(chart, HEIGHT)


def _table(curves: dict[str, SecurityCurve]) -> Table:
    shares = (0.1, 0.5, 0.9)
    headings = (
        "model",
        "attacked images",
        *(f"budget for {share:.0%} success" for share in shares),
    )
    rows = tuple(
        (model, str(curve.attacked),
         *(number(curve.budget_for(share)) for share in shares))
        for model, curve in curves.items()
    )  # fmt: skip
    return Table(headings, rows)
