"""The leaderboard as text or data: columns for people, records for programs, and footnotes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from harness.analysis.board import Board
from harness.analysis.entry import ENOUGH_SUCCESS, Entry
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
from harness.report.values import EXTRAPOLATED as EXTRAPOLATED
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


def columns(board: Board) -> list[Column]:
    """`TABLE`, and two columns for each measurement: its mean, and the attacks' side of it."""
    found = list(TABLE)
    if board.intervals:
        place = [column.key for column in found].index("frontier_distance")
        found[place : place + 1] = WITH_INTERVALS
    for title, bounded in readings.titles(board).items():
        found.append(Column(title, title, right=True))
        if bounded:
            found.append(Column(f"{title} bound", f"{title} ≤ attacks' / above", right=True))
    return found


def text_rows(board: Board) -> list[dict[str, str | None]]:
    """The board for tables and Markdown: every value as text, with its marks."""
    return [_text_row(entry) for entry in board.entries]


def _text_row(entry: Entry) -> dict[str, str | None]:
    attack = entry.attack
    return {
        "rank": shown(entry.rank, str),
        "model": model_text(entry),
        "family": entry.family,
        "parameters": shown(entry.parameters, amount),
        "top1": accuracy_text(entry),
        "success": marked(shown(attack.success, percent), entry.few_successes, FEW_SUCCESSES),
        "distortion_mean": shown(attack.mean, number),
        "distortion_median": shown(attack.median, number),
        "distortion_median_all": shown(attack.median_all, number),
        "frontier_distance": distance(entry),
        "on_frontier": shown(entry.spread, lambda spread: percent(spread.on_frontier)),
        "images": f"{attack.attacked}/{attack.images}",
        **readings.texts(entry, number),
    }


def records(board: Board) -> list[dict[str, Any]]:
    """The board as JSON-like data, one record a model; rates and accuracies in [0, 1].

    What does not exist is None, and so is an infinite median: a flag beside it tells.
    """
    correlations = {each.score: each.value for each in readings.correlations(board)}
    return [_record(board, entry, correlations) for entry in board.entries]


def _record(board: Board, entry: Entry, correlations: Mapping[str, float | None]) -> dict[str, Any]:
    measured = board.accuracy == "measured"
    low, high = (entry.accuracy.interval if measured else None) or (None, None)
    attack, choice = entry.attack, board.selection
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
        **distance_record(entry),
        "frontier_fitted": entry.fitted,
        "on_frontier": entry.on_frontier,
        "extrapolated": entry.extrapolated,
        "frontier_source": board.reference.source if board.reference else "fitted",
        "common_images": len(board.common.images) if board.common else None,
        "common_images_of": board.common.of if board.common else None,
        "images": attack.images,
        "attacked": attack.attacked,
        "broken": attack.broken,
        "clean_wrong": attack.clean_wrong,
        "invalid": attack.invalid,
        "errors": attack.errors,
        "missing": attack.missing,
        "complete": entry.complete,
        "status": entry.status,
        "error": entry.error,
        "warnings": list(entry.doubts),
        "suite": choice.suite,
        "dataset": choice.dataset,
        "attack": choice.attack.label,
        "goal": choice.goal,
        "norm": choice.attack.norm,
        "seed": choice.seed,
        "metrics": {name: finite(value) for name, value in entry.metrics.items()},
        "measurements": {each.title: readings.record(each) for each in entry.readings},
        "rank_correlations": correlations,
    }


def csv_columns(rows: list[dict[str, Any]]) -> list[Column]:
    """A column for each plain value of the records."""
    return [
        Column(key, key)
        for key in (rows[0] if rows else ())
        if key not in ("warnings", "metrics", "measurements", "rank_correlations")
    ]


def title(board: Board) -> str:
    """What the board is about, on one line."""
    choice = board.selection
    images = f", {len(board.common.images)} common images" if board.common else ""
    return f"{choice.suite}: {choice.attack.label}, goal {choice.goal}{images}"


def footnotes(board: Board) -> list[str]:
    """All that the columns do not say, one line each."""
    return [
        _about(board),
        *common_notes(board.common),
        *accuracy_notes(board.entries, board.accuracy),
        *_frontier_notes(board),
        *_success_notes(board),
        *readings.notes(board),
        *doubt_notes(board.entries),
        *_completeness_notes(board),
        *board.selection.notes,
        *board.notes,
    ]


def _about(board: Board) -> str:
    choice = board.selection
    kind = "" if choice.attack.budget is None else f" (fixed budget {choice.attack.budget:g})"
    which = "of the cell" if board.common is None else "common ones of the cell"
    return (
        f"attack {choice.attack.label}{kind}, goal {choice.goal}, seed {choice.seed}, data set"
        f" {choice.dataset}; mean and median {choice.attack.norm} distortion over successes, in"
        " pixel space [0, 1]; med. all: failures are infinite; images: attacked/all"
        f" {which}"
    )


def _frontier_notes(board: Board) -> Iterable[str]:
    incomplete = {entry.model for entry in board.entries if not entry.complete}
    curve = board.frontier
    if curve.fit is None and board.reference is None:
        nothing = "distances or ranks" if board.sort == "frontier" else "distances"
        named = members(curve, incomplete)
        yield f"no frontier fit, so no {nothing}: {curve.reason}" + (f" ({named})" if named else "")
        return
    yield f"frontier: {fit_text(curve, board.reference, board.intervals, incomplete)}"
    yield "distance: mean distortion minus the fit's value; positive is above the trend"
    if board.reference:
        yield from reference_notes(board.reference)
        yield from unit_notes(board.reference, [e.model for e in board.entries if not e.pixels])
    if any(entry.extrapolated for entry in board.entries):
        yield EXTRAPOLATION
    if board.intervals:
        yield intervals_note(board.intervals)


def _success_notes(board: Board) -> Iterable[str]:
    if any(entry.few_successes for entry in board.entries):
        yield (
            f"{FEW_SUCCESSES} success under {100 * ENOUGH_SUCCESS:.0f} %: mean and median are over"
            " the images that broke, and flatter the model"
        )
    # Under a fixed budget no distance depends on it.
    without = [e.model for e in board.entries if e.attack.attacked and not e.attack.broken]
    if without and board.selection.attack.budget is None:
        yield f"no success, so no distortion and no place in the fit: {', '.join(without)}"


def _completeness_notes(board: Board) -> Iterable[str]:
    for entry in board.entries:
        if not entry.complete:
            yield f"{INCOMPLETE} {entry.model}: {_incomplete(entry)}"


def _incomplete(entry: Entry) -> str:
    attack, clean = entry.attack, entry.accuracy
    cause = f"; last error: {entry.error}" if entry.error else ""
    if entry.status == "not run":
        return f"not run{cause}"
    counts = (
        (attack.errors, "with errors"),
        (attack.invalid, "invalid"),
        (attack.missing, "missing"),
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
