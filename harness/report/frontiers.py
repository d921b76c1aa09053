"""Frontier residuals and the fits that they are measured from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from harness.analysis.bootstrap import Intervals
from harness.analysis.columns import MetricColumn
from harness.analysis.frontier import Frontier
from harness.analysis.place import Place
from harness.analysis.reference import Reference
from harness.analysis.statistics import Range
from harness.report.presentation import Cell
from harness.report.values import EXTRAPOLATED, INCOMPLETE, marked, number, percent, shown

EXTRAPOLATION = (
    f"{EXTRAPOLATED} extrapolated: outside the accuracies of the frontier's models, or where the"
    " fit is 0 or less"
)


def fit_text(column: MetricColumn, incomplete: Collection[str]) -> str:
    """The fit that residuals are measured from, and the Pareto-optimal models."""
    curve, reference, spread = column.frontier, column.reference, column.intervals
    fit = reference.fit if reference else curve.fit
    if fit is None:
        return f"no fit: {curve.reason}"
    text = f"y = a + b ln(1 - top-1), a = {_fitted(fit.a, spread.a if spread else None)},"
    text += f" b = {_fitted(fit.b, spread.b if spread else None)}"
    if reference:
        text += f", {reference.source}"
    else:
        text += f", R² = {'none under 5 models' if fit.r2 is None else f'{fit.r2:.3f}'}"
    return f"{text}; {len(curve.members)} members: {members(curve, incomplete)}"


def _fitted(value: float, interval: Range | None) -> str:
    if interval is None:
        return f"{value:.4g}"
    return f"{value:.4g} ({interval[0]:.4g} to {interval[1]:.4g})"


def members(curve: Frontier, incomplete: Collection[str]) -> str:
    """The Pareto-optimal models by name."""
    return ", ".join(
        point.name + (f" {INCOMPLETE}" if point.name in incomplete else "")
        for point in curve.members
    )


def reference_notes(reference: Reference) -> Iterable[str]:
    """What to know about a fit that was made elsewhere."""
    if reference.low is not None and reference.high is not None:
        yield (
            f"that fit is over accuracies from {percent(reference.low)} to"
            f" {percent(reference.high)}; the members are this leaderboard's own"
        )
    if reference.caveat:
        yield f"that fit: {reference.caveat}"


def unit_notes(reference: Reference, without: Sequence[str]) -> Iterable[str]:
    """How residuals per pixel are computed."""
    if reference.per_pixel:
        yield (
            "that fit is per pixel, and so are the residuals from it: each model's mean is divided"
            " by the height times the width of its input (the paper's number of pixels may be"
            " three times that)"
        )
        if without:
            yield f"unknown input size, so no residual: {', '.join(without)}"


def intervals_note(found: Intervals) -> str:
    """How the intervals are computed."""
    text = (
        f"95% intervals: percentiles of {found.replicates} bootstrap replicates over images, the"
        " same images for all models, the frontier reselected in each; on frontier: the share of"
        " them in which the model was Pareto-optimal"
    )
    lacking = found.replicates - found.fits
    return f"{text}; {lacking} had no fit and are excluded" if lacking else text


def residual(place: Place) -> Cell:
    """A frontier residual with its mark, and with its interval where there is one."""
    distance = place.placing.distance
    plain = shown(distance, lambda value: number(value, "+"))
    text = marked(plain, place.placing.extrapolated, EXTRAPOLATED)
    interval = place.spread.distance if place.spread else None
    aside = "" if interval is None else f"{number(interval[0], '+')} to {number(interval[1], '+')}"
    return Cell(text, distance, aside)


def residual_bound(place: Place, end: int) -> float | None:
    """The lower (0) or upper (1) end of a residual's interval."""
    interval = place.spread.distance if place.spread else None
    return interval[end] if interval else None


def residual_record(place: Place) -> dict[str, Any]:
    """A frontier residual as JSON-like data; what the bootstrap did not give is None."""
    return {
        "frontier_distance": place.placing.distance,
        "frontier_distance_low": residual_bound(place, 0),
        "frontier_distance_high": residual_bound(place, 1),
        "on_frontier_share": place.spread.on_frontier if place.spread else None,
    }
