"""The leaderboard as text or data: columns for people, records for programs, and footnotes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from harness.analysis.board import Board
from harness.analysis.entry import ENOUGH_SUCCESS, Entry
from harness.report import readings
from harness.report.tables import Column

EXTRAPOLATED, FEW_SUCCESSES, INCOMPLETE = "*", "†", "‡"

Value = TypeVar("Value")

TABLE = (
    Column("rank", "#", right=True),
    Column("model", "model"),
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


def columns(board: Board) -> list[Column]:
    """`TABLE`, and two columns for each measurement: its mean, and the attacks' side of it."""
    found = list(TABLE)
    for title, bounded in readings.titles(board).items():
        found.append(Column(title, title, right=True))
        if bounded:
            found.append(Column(f"{title} bound", "≤ attacks' / above", right=True))
    return found


def text_rows(board: Board) -> list[dict[str, str | None]]:
    """The board for tables and Markdown: every value as text, with its marks."""
    return [_text_row(entry) for entry in board.entries]


def _text_row(entry: Entry) -> dict[str, str | None]:
    attack = entry.attack
    return {
        "rank": _shown(entry.rank, str),
        "model": entry.model + ("" if entry.complete else f" {INCOMPLETE}"),
        "family": entry.family,
        "parameters": _shown(entry.parameters, _amount),
        "top1": _top1(entry),
        "success": _marked(_shown(attack.success, _percent), entry.few_successes, FEW_SUCCESSES),
        "distortion_mean": _shown(attack.mean, _number),
        "distortion_median": _shown(attack.median, _number),
        "distortion_median_all": _shown(attack.median_all, _number),
        "frontier_distance": _marked(
            _shown(entry.distance, lambda value: _number(value, "+")),
            entry.extrapolated,
            EXTRAPOLATED,
        ),
        "images": f"{attack.attacked}/{attack.images}",
        **readings.texts(entry, _number),
    }


def _top1(entry: Entry) -> str | None:
    text = _shown(entry.top1, _percent)
    interval = entry.accuracy.interval
    if text is None or interval is None or entry.top1 != entry.accuracy.measured:
        return text
    low, high = interval
    return f"{text} ({100 * low:.1f}–{100 * high:.1f})"


def records(board: Board) -> list[dict[str, Any]]:
    """The board as JSON-like data, one record a model; rates and accuracies in [0, 1].

    What does not exist is None, and so is an infinite median: a flag beside it tells.
    """
    return [_record(board, entry) for entry in board.entries]


def _record(board: Board, entry: Entry) -> dict[str, Any]:
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
        "distortion_median_all": _finite(attack.median_all),
        "distortion_median_all_infinite": attack.median_all == math.inf,
        "frontier_distance": entry.distance,
        "frontier_fitted": entry.fitted,
        "on_frontier": entry.on_frontier,
        "extrapolated": entry.extrapolated,
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
        "suite": choice.suite,
        "dataset": choice.dataset,
        "attack": choice.attack.label,
        "goal": choice.goal,
        "norm": choice.attack.norm,
        "seed": choice.seed,
        "metrics": {name: _finite(value) for name, value in entry.metrics.items()},
        "measurements": {each.title: readings.record(each) for each in entry.readings},
    }


def csv_columns(rows: list[dict[str, Any]]) -> list[Column]:
    """A column for each plain value of the records."""
    return [
        Column(key, key)
        for key in (rows[0] if rows else ())
        if key not in ("metrics", "measurements")
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
        *_common_notes(board),
        *_accuracy_notes(board),
        *_frontier_notes(board),
        *_success_notes(board),
        *readings.notes(board),
        *_completeness_notes(board),
        *board.selection.notes,
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


def _common_notes(board: Board) -> Iterable[str]:
    common = board.common
    if common is None:
        return
    yield (
        f"common images: {len(common.images)} of {common.of}, which all of {len(common.models)}"
        " models classify correctly by their stored clean predictions; everything but top-1 is over"
        " these alone, and stored metrics and measurements, being over all images, are left out"
    )
    if common.unpredicted:
        counts = ", ".join(f"{model} ({count})" for model, count in common.unpredicted.items())
        yield f"without a clean prediction for some images, which cannot be common: {counts}"
    if common.without:
        yield (
            "no clean predictions at all, so no say in which images are common:"
            f" {', '.join(common.without)}"
        )


def _accuracy_notes(board: Board) -> Iterable[str]:
    entries = board.entries
    if board.accuracy == "published":
        yield "top-1: published"
        unknown = [entry.model for entry in entries if entry.accuracy.published is None]
        if unknown:
            yield f"no published accuracy, left out of the fit: {', '.join(unknown)}"
        return
    counts = sorted({entry.accuracy.images for entry in entries if entry.accuracy.images})
    number = "not as many for each model" if len(counts) > 1 else sum(counts)
    yield (
        f"top-1: measured on all images of the runs before exclusions ({number}), with the 95 %"
        " Wilson interval"
    )
    perfect = [e.model for e in entries if e.accuracy.images and e.top1 == 1]
    if perfect:
        yield f"no errors, counted as half an error in the fit: {', '.join(perfect)}"


def _frontier_notes(board: Board) -> Iterable[str]:
    curve = board.frontier
    incomplete = {entry.model for entry in board.entries if not entry.complete}
    members = ", ".join(
        point.name + (f" {INCOMPLETE}" if point.name in incomplete else "")
        for point in curve.members
    )
    if curve.fit is None:
        nothing = "distances or ranks" if board.sort == "frontier" else "distances"
        yield f"no frontier fit, so no {nothing}: {curve.reason}" + (
            f" ({members})" if members else ""
        )
    else:
        fit = curve.fit
        r2 = "none under 5 models" if fit.r2 is None else f"{fit.r2:.3f}"
        yield (
            f"frontier: y = a + b ln(1 - top-1), a = {fit.a:.4g}, b = {fit.b:.4g}, R² = {r2};"
            f" {len(curve.members)} members: {members}"
        )
        yield "distance: mean distortion minus the fit's value; positive is above the trend"
        if any(entry.extrapolated for entry in board.entries):
            yield (
                f"{EXTRAPOLATED} extrapolated: outside the accuracies of the frontier's models, or"
                " where the fit is 0 or less"
            )


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
        text += f", success between {_percent(low)} and {_percent(high)}"
    if clean.missing or not clean.images:
        text += (
            f"; no clean prediction for {clean.missing} of {clean.images + clean.missing} images"
        )
    return text + cause


def _shown(value: Value | None, show: Callable[[Value], str]) -> str | None:
    return None if value is None else show(value)


def _marked(text: str | None, marked: bool, mark: str) -> str | None:
    return f"{text}{mark}" if text is not None and marked else text


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _number(value: float, sign: str = "") -> str:
    """Three significant digits; large numbers whole."""
    if math.isinf(value):
        return "∞"
    if abs(value) >= 99.95:
        return f"{value:{sign},.0f}"
    return f"{value:{sign}#.3g}"


def _amount(count: int) -> str:
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return str(count)
