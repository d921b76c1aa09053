"""The leaderboard as text or data: columns for people, records for programs, and footnotes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from harness.analysis.leaderboard import Leaderboard
from harness.analysis.place import ENOUGH_SUCCESS, Attacked, Entry, Place
from harness.report import readings
from harness.report.accuracies import (
    accuracy_notes,
    accuracy_text,
    common_notes,
    doubt_notes,
    model_text,
)
from harness.report.frontiers import (
    EXTRAPOLATION,
    distance,
    distance_record,
    fit_text,
    intervals_note,
    members,
    reference_notes,
    unit_notes,
)
from harness.report.tables import Column
from harness.report.values import (
    FEW_SUCCESSES,
    INCOMPLETE,
    amount,
    finite,
    marked,
    number,
    percent,
    shown,
)

TABLE = (
    Column("rank", "#", right=True, repeated=True),
    Column("model", "model", repeated=True),
    Column("family", "family"),
    Column("parameters", "params", right=True),
    Column("top1", "top-1 (95 %)", right=True),
    Column("success", "success", right=True),
    Column("distortion_mean", "mean", right=True),
    Column("distortion_median", "median", right=True),
    Column("distortion_median_all", "med. all", right=True),
    Column("frontier_distance", "distance", right=True),
    Column("images", "images", right=True),
)
"""What people see of every board; `text_rows` has these keys."""


WITH_INTERVALS = (
    Column("frontier_distance", "distance (95 %)", right=True),
    Column("on_frontier", "on frontier", right=True),
)
"""In place of the plain distance, where there are intervals."""


def columns(board: Leaderboard) -> list[Column]:
    """`TABLE`, and two columns for each measurement: its mean, and the attacks' side of it."""
    found = list(TABLE)
    if board.column.intervals:
        place = [column.key for column in found].index("frontier_distance")
        found[place : place + 1] = WITH_INTERVALS
    for title, bounded in readings.titles(board).items():
        found.append(Column(title, title, right=True))
        if bounded:
            found.append(Column(f"{title} bound", f"{title} ≤ attacks' / above", right=True))
    return found


def text_rows(board: Leaderboard) -> list[dict[str, str | None]]:
    """The board for tables and Markdown: every value as text, with its marks."""
    return [_text_row(board, entry, place) for entry, place in board.rows]


def attack_of(place: Place) -> Attacked:
    """The outcomes behind a place of a single leaderboard."""
    assert place.attack is not None
    return place.attack


def _text_row(board: Leaderboard, entry: Entry, place: Place) -> dict[str, str | None]:
    attack = attack_of(place)
    return {
        "rank": shown(entry.rank, str),
        "model": model_text(entry),
        "family": entry.family,
        "parameters": shown(entry.parameters, amount),
        "top1": accuracy_text(entry),
        "success": marked(shown(attack.success, percent), attack.few_successes, FEW_SUCCESSES),
        "distortion_mean": shown(attack.mean, number),
        "distortion_median": shown(attack.median, number),
        "distortion_median_all": shown(attack.median_all, number),
        "frontier_distance": distance(place),
        "on_frontier": shown(place.spread, lambda spread: percent(spread.on_frontier)),
        "images": f"{attack.attacked}/{attack.images}",
        **readings.texts(board.scores.get(entry.model, ()), number),
    }


def records(board: Leaderboard) -> list[dict[str, Any]]:
    """The board as JSON-like data, one record a model; rates and accuracies in [0, 1].

    What does not exist is None, and so is an infinite median: a flag beside it tells.
    """
    correlations = {each.score: each.value for each in board.correlations}
    return [_record(board, entry, place, correlations) for entry, place in board.rows]


def _record(
    board: Leaderboard, entry: Entry, place: Place, correlations: Mapping[str, float | None]
) -> dict[str, Any]:
    measured = board.choice.accuracy == "measured"
    low, high = (entry.accuracy.interval if measured else None) or (None, None)
    attack, trial = attack_of(place), board.trial
    reference, placing = board.column.reference, place.placing
    least, most = attack.success_bounds or (None, None)
    return {
        "rank": entry.rank,
        "model": entry.model,
        "family": entry.family,
        "parameters": entry.parameters,
        "top1": entry.top1,
        "top1_low": low,
        "top1_high": high,
        "top1_measured": entry.accuracy.measured,
        "top1_published": entry.accuracy.published,
        "top1_images": entry.accuracy.images,
        "success": attack.success,
        "success_at_least": least,
        "success_at_most": most,
        "distortion_mean": attack.mean,
        "distortion_median": attack.median,
        "distortion_median_all": finite(attack.median_all),
        "distortion_median_all_infinite": attack.median_all == math.inf,
        **distance_record(place),
        "frontier_fitted": placing.fitted,
        "on_frontier": placing.on_frontier,
        "extrapolated": placing.extrapolated,
        "frontier_source": reference.source if reference else "fitted",
        "common_images": len(board.common.images) if board.common else None,
        "common_images_of": board.common.of if board.common else None,
        "images": attack.images,
        "attacked": attack.attacked,
        "broken": attack.broken,
        "clean_wrong": attack.count("clean_wrong"),
        "invalid": attack.count("invalid"),
        "errors": attack.count("error"),
        "missing": attack.count("missing"),
        "complete": entry.complete,
        "status": place.status,
        "error": entry.error,
        "warnings": list(entry.doubts),
        "suite": trial.suite,
        "dataset": trial.dataset,
        "attack": trial.attack.label,
        "goal": trial.goal,
        "norm": trial.attack.norm,
        "seed": trial.seed,
        "metrics": {
            name: finite(value) for name, value in board.metrics.get(entry.model, {}).items()
        },
        "measurements": {
            each.title: readings.record(each) for each in board.scores.get(entry.model, ())
        },
        "rank_correlations": correlations,
    }


def csv_columns(rows: list[dict[str, Any]]) -> list[Column]:
    """A column for each plain value of the records."""
    return [
        Column(key, key)
        for key in (rows[0] if rows else ())
        if key not in ("warnings", "metrics", "measurements", "rank_correlations")
    ]


def title(board: Leaderboard) -> str:
    """What the board is about, on one line."""
    trial = board.trial
    images = f", {len(board.common.images)} common images" if board.common else ""
    return f"{trial.suite}: {trial.attack.label}, goal {trial.goal}{images}"


def footnotes(board: Leaderboard) -> list[str]:
    """All that the columns do not say, one line each."""
    return [
        _about(board),
        *common_notes(board.common),
        *accuracy_notes(board.entries, board.choice.accuracy),
        *_frontier_notes(board),
        *_success_notes(board),
        *readings.notes(board),
        *doubt_notes(board.entries),
        *_completeness_notes(board),
        *board.notes,
    ]


def _about(board: Leaderboard) -> str:
    trial = board.trial
    kind = "" if trial.attack.budget is None else f" (fixed budget {trial.attack.budget:g})"
    which = "of the cell" if board.common is None else "common ones of the cell"
    return (
        f"attack {trial.attack.label}{kind}, goal {trial.goal}, seed {trial.seed}, data set"
        f" {trial.dataset}; mean and median {trial.attack.norm} distortion over successes, in"
        " pixel space [0, 1]; med. all: failures are infinite; images: attacked/all"
        f" {which}"
    )


def _frontier_notes(board: Leaderboard) -> Iterable[str]:
    incomplete = {entry.model for entry in board.entries if not entry.complete}
    column = board.column
    curve, reference = column.frontier, column.reference
    if curve.fit is None and reference is None:
        nothing = "distances or ranks" if board.choice.sort == "frontier" else "distances"
        named = members(curve, incomplete)
        yield f"no frontier fit, so no {nothing}: {curve.reason}" + (f" ({named})" if named else "")
        return
    yield f"frontier: {fit_text(column, incomplete)}"
    yield "distance: mean distortion minus the fit's value; positive is above the trend"
    if reference:
        yield from reference_notes(reference)
        yield from unit_notes(reference, [e.model for e in board.entries if not e.pixels])
    if any(place.placing.extrapolated for place in column.places.values()):
        yield EXTRAPOLATION
    if column.intervals:
        yield intervals_note(column.intervals)


def _success_notes(board: Leaderboard) -> Iterable[str]:
    if any(place.few_successes for place in board.column.places.values()):
        yield (
            f"{FEW_SUCCESSES} success under {100 * ENOUGH_SUCCESS:.0f} %: mean and median are over"
            " the images that broke, and flatter the model"
        )
    # Under a fixed budget no distance depends on it.
    without = [
        entry.model
        for entry, place in board.rows
        if attack_of(place).attacked and not attack_of(place).broken
    ]
    if without and board.trial.attack.budget is None:
        yield f"no success, so no distortion and no place in the fit: {', '.join(without)}"


def _completeness_notes(board: Leaderboard) -> Iterable[str]:
    for entry, place in board.rows:
        if not entry.complete:
            yield f"{INCOMPLETE} {entry.model}: {_incomplete(entry, place)}"


def _incomplete(entry: Entry, place: Place) -> str:
    attack, clean = attack_of(place), entry.accuracy
    cause = f"; last error: {entry.error}" if entry.error else ""
    if place.status == "not run":
        return f"not run{cause}"
    counts = (
        (attack.count("error"), "with errors"),
        (attack.count("invalid"), "invalid"),
        (attack.count("missing"), "missing"),
    )
    parts = [f"{count} {what}" for count, what in counts if count]
    text = f"of {attack.images} images {', '.join(parts)}" if parts else "all images attacked"
    if attack.success_bounds and attack.unknown:
        low, high = attack.success_bounds
        text += f", success between {percent(low)} and {percent(high)}"
    if clean.missing or not clean.images:
        text += (
            f"; no clean prediction for {clean.missing} of {clean.images + clean.missing} images"
        )
    return text + cause
