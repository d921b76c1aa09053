"""Frontier residuals and the fits that they are measured from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from harness.analysis.bootstrap import Intervals
from harness.analysis.columns import MetricColumn
from harness.analysis.leaderboard import Leaderboard
from harness.analysis.place import Place
from harness.analysis.reference import Reference
from harness.api.frontier import Frontier
from harness.api.statistics import Range
from harness.report.presentation import Cell
from harness.report.values import (
    EXCLUDED,
    EXTRAPOLATED,
    INCOMPLETE,
    marked,
    number,
    percent,
    points,
    shown,
)

EXTRAPOLATION = (
    f"{EXTRAPOLATED} extrapolated: outside the accuracies of the frontier's models, or where the"
    " fit is 0 or less"
)

STEPS = (
    "frontier residual: robust accuracy minus that of the most robust model on the frontier that is"
    " at least as accurate, in percentage points; 0: there is no better one"
)

RESIDUAL = {
    False: "Mean distortion minus the fitted frontier's value at this accuracy; positive: more"
    " robust than the trend.",
    True: "Robust accuracy minus that of the most robust model on the frontier that is at least as"
    " accurate; 0: there is no better one.",
}
"""What a residual is, from a law and from steps."""


def steps_text(curve: Frontier, incomplete: Collection[str]) -> str:
    """The models that no other beats in accuracy and robust accuracy."""
    return (
        f"no other model is at least as accurate and as robust; {len(curve.members)} members:"
        f" {members(curve, incomplete)}"
    )


def fit_text(column: MetricColumn, incomplete: Collection[str]) -> str:
    """The fit that residuals are measured from, and the Pareto-optimal models."""
    curve, reference, spread = column.frontier, column.reference, column.intervals
    fit = reference.fit if reference else curve.fit
    if curve.steps:
        return steps_text(curve, incomplete)
    if fit is None:
        return f"no fit: {curve.reason}"
    text = f"y = a + b ln(1 - top-1), a = {_fitted(fit.a, spread.a if spread else None)},"
    text += f" b = {_fitted(fit.b, spread.b if spread else None)}"
    if reference:
        text += f", {reference.source}"
    else:
        text += f", R² = {'none under 5 models' if fit.r2 is None else f'{fit.r2:.3f}'}"
    return f"{text}; {len(curve.members)} members: {members(curve, incomplete)}"


def fit_record(column: MetricColumn) -> dict[str, Any]:
    """The fit that residuals are measured from, as JSON-like data; without one a and b are None."""
    fit = column.reference.fit if column.reference else column.frontier.fit
    spread = column.intervals
    return {
        "title": column.title,
        "attack": column.attack.name if column.attack else None,
        "norm": column.metric.norm,
        "source": column.reference.source if column.reference else "fitted",
        "per_pixel": bool(column.reference and column.reference.per_pixel),
        "a": fit.a if fit else None,
        "b": fit.b if fit else None,
        "r2": fit.r2 if fit else None,
        "a_interval": spread.a if spread else None,
        "b_interval": spread.b if spread else None,
        "replicates": spread.replicates if spread else None,
        "replicates_with_fit": spread.fits if spread else None,
        "members": [point.name for point in column.frontier.members],
        "excluded": [
            {"model": model, "reason": reason} for model, reason in _excluded(column).items()
        ],
        "reason": None if fit else column.frontier.reason,
    }


def _excluded(column: MetricColumn) -> dict[str, str]:
    """The models that the frontier may not go through, with the reason."""
    return {
        model: place.placing.excluded
        for model, place in column.places.items()
        if place.placing.excluded is not None
    }


def exclusion_notes(column: MetricColumn, of: str = "") -> Iterable[str]:
    """Why models are no members of the frontier; ``of`` says which one, where there are several."""
    for model, reason in _excluded(column).items():
        yield f"{EXCLUDED} {model} is no member of the frontier{of and f' of {of}'}: {reason}"


def selection(board: Leaderboard) -> dict[str, Any]:
    """What was chosen of the results, as JSON-like data."""
    trial, choice = board.trial, board.choice
    return {
        "attack": trial.attack.label if len(board.columns) == 1 else None,
        "goal": trial.goal,
        "seed": trial.seed,
        "dataset": trial.dataset,
        "accuracy": choice.accuracy,
        "images": choice.images,
        "sort": board.sort,
        "frontier": choice.references.where if choice.references else "fitted",
        "replicates": choice.replicates,
        "at": choice.at and {norm or trial.attack.norm: at for norm, at in choice.at.items()},
    }


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
            " by the height times the width of its input"
        )
        if without:
            yield f"unknown input size, so no residual: {', '.join(without)}"


def intervals_note(found: Intervals, *, steps: bool = False) -> str:
    """How the intervals are computed."""
    text = (
        f"95% intervals: percentiles of {found.replicates} bootstrap replicates over images, the"
        " same images for all models, the frontier reselected in each; on frontier: the share of"
        " them in which the model was Pareto-optimal"
    )
    lacking = found.replicates - found.fits
    if steps or not lacking:
        return text
    return f"{text}; {lacking} had no fit and are excluded"


def residual(place: Place, *, share: bool = False) -> Cell:
    """A frontier residual with its mark, and with its interval where there is one.

    Args:
        share: it is one of robust accuracies, in percentage points.
    """
    distance, signed = place.placing.distance, points if share else _signed
    plain = shown(distance, signed)
    text = marked(plain, place.placing.extrapolated, EXTRAPOLATED)
    text = marked(text, place.placing.excluded is not None, EXCLUDED)
    interval = place.spread.distance if place.spread else None
    aside = "" if interval is None else f"{signed(interval[0])} to {signed(interval[1])}"
    return Cell(text, distance, aside)


def _signed(value: float) -> str:
    return number(value, "+")


def residual_bound(place: Place, end: int) -> float | None:
    """The lower (0) or upper (1) end of a residual's interval."""
    interval = place.spread.distance if place.spread else None
    return interval[end] if interval else None


def residual_record(place: Place) -> dict[str, Any]:
    """A frontier residual as JSON-like data; what the bootstrap did not give is None."""
    return {
        "frontier_distance": place.placing.distance,
        "frontier_excluded": place.placing.excluded,
        "frontier_distance_low": residual_bound(place, 0),
        "frontier_distance_high": residual_bound(place, 1),
        "on_frontier_share": place.spread.on_frontier if place.spread else None,
    }
