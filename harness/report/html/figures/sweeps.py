"""Success rate against a parameter that a suite varies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from harness.api.figure import Figure, Table, Value, Variant
from harness.api.statistics import wilson
from harness.identity import canonical_json
from harness.report.html import charts
from harness.report.html.shown import Names, compact, number, percent, percents

LEAD = (
    "Where the suite runs an attack with several values of one parameter and all others equal: its"
    " success rate over that parameter, one line per model."
)
WIDTH, HEIGHT = 640, 380


@dataclass(frozen=True, slots=True)
class Point:
    """A model's successes under one attack and goal.

    Attributes:
        broken: with the margin that the attack asks for.
    """

    model: str
    family: str | None
    broken: int
    attacked: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """Attacks that differ in one parameter alone: each value's label."""

    attack: str
    parameter: str
    values: Mapping[float, str]


def sweeps(parameters: Mapping[str, tuple[str, Mapping[str, Any]]]) -> list[Sweep]:
    """All sweeps among attacks.

    Args:
        parameters: of each label, the attack's name and all its parameters.
    """
    groups: dict[tuple[str, str, str], dict[float, str]] = {}
    for label, (attack, own) in parameters.items():
        for name, value in own.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                others = canonical_json({key: own[key] for key in own if key != name})
                groups.setdefault((attack, name, others), {})[float(value)] = label
    return [
        Sweep(attack, name, dict(sorted(values.items())))
        for (attack, name, _), values in groups.items()
        if len(values) > 1
    ]


def figure(
    found: Sequence[Sweep],
    points: Mapping[tuple[str, str], Sequence[Point]],
    families: Sequence[str],
    names: Names,
) -> Figure | None:
    """One chart per sweep and goal.

    Args:
        points: by label and goal.
    """
    goals = dict.fromkeys(goal for _, goal in points)
    variants = tuple(
        drawn
        for sweep in found
        for goal in goals
        if (drawn := _variant(sweep, goal, points, families, names))
    )
    if not variants:
        return None
    models = dict.fromkeys(names.short(p.model) for each in points.values() for p in each)
    return Figure("success", LEAD, ("Attack and parameter", "Goal"), variants, tuple(models))


def _variant(
    sweep: Sweep,
    goal: str,
    points: Mapping[tuple[str, str], Sequence[Point]],
    families: Sequence[str],
    names: Names,
) -> Variant | None:
    placed = [
        (value, point)
        for value, label in sweep.values.items()
        for point in points.get((label, goal), ())
        if point.attacked
    ]
    if len({value for value, _ in placed}) < 2:
        return None
    key = _key(placed, names)
    dash = {row["model"]: row["dash"] for row in key}
    rows: list[dict[str, Value]] = [
        {
            "model": names.short(point.model),
            "family": point.family or charts.NO_FAMILY,
            "value": value,
            "success": compact(point.broken / point.attacked),
            "of": point.attacked,
            "interval": percents(wilson(point.broken, point.attacked)),
            "dash": dash.get(names.short(point.model), 0),
        }
        for value, point in placed
    ]
    labels = list(sweep.values.values())
    others = f", otherwise like {labels[0]}" if len(labels[0].split()) > 2 else ""
    return Variant(
        choice=(f"{sweep.attack}: {sweep.parameter}{others}", goal),
        heading=(f"{sweep.attack}: {sweep.parameter}{others}", f"goal {goal}"),
        description=f"Success rate of {sweep.attack}, goal {goal}, at"
        f" {', '.join(number(value) for value in sweep.values)} {sweep.parameter}.",
        spec=_spec(sweep, families),
        data={"points": rows, "key": key},
        table=_table(sweep, placed),
        notes=("A success here has the margin that the attack requires.",),
    )


def _key(placed: Sequence[tuple[float, Point]], names: Names) -> list[dict[str, Value]]:
    """The models in the order of their lines, from the top."""
    rates: dict[tuple[str, str | None], list[float]] = {}
    for _, point in placed:
        rates.setdefault((point.model, point.family), []).append(point.broken / point.attacked)
    return charts.key_rows(sorted(rates, key=lambda model: -fmean(rates[model])), names.short)


def _spec(sweep: Sweep, families: Sequence[str]) -> dict[str, Any]:
    alt = charts.library()
    colour = charts.by_family(alt, alt.Color, families)
    lines = (
        alt.Chart(alt.NamedData("points"))
        .mark_line(strokeWidth=1.75, point=alt.OverlayMarkDef(size=45))
        .encode(
            x=alt.X("value:Q", title=sweep.parameter, scale=alt.Scale(zero=False, nice=False,
                    padding=16), axis=alt.Axis(values=list(sweep.values), format=".4~g")),
            y=alt.Y("success:Q", title="success rate", axis=alt.Axis(format="%"),
                    scale=alt.Scale(domain=[0, 1])),
            color=colour,
            strokeDash=charts.dashes(alt),
            detail="model:N",
            strokeOpacity=charts.emphasis(alt, full=0.9),
            fillOpacity=charts.emphasis(alt, full=0.9),
            tooltip=[alt.Tooltip("model:N"), alt.Tooltip("value:Q", title=sweep.parameter),
                     alt.Tooltip("success:Q", title="success rate", format=".1%"),
                     alt.Tooltip("of:Q", title="of images"),
                     alt.Tooltip("interval:N", title="95% interval")],
        )
        .add_params(charts.highlight(alt))
    )  # fmt: skip
    return charts.specification(alt.layer(lines, *charts.key(alt, colour)), WIDTH, HEIGHT)


def _table(sweep: Sweep, placed: Sequence[tuple[float, Point]]) -> Table:
    headings = ("model", *(f"{sweep.parameter} {value:g}" for value in sweep.values))
    by_model: dict[str, dict[float, str]] = {}
    for value, point in placed:
        text = f"{percent(point.broken / point.attacked)} of {point.attacked}"
        by_model.setdefault(point.model, {})[value] = text
    rows = tuple(
        (model, *(texts.get(value, "–") for value in sweep.values))
        for model, texts in by_model.items()
    )
    return Table(headings, rows)
