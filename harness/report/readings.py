"""Measurements on a leaderboard: texts, records and footnotes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from harness.analysis.board import Board
from harness.analysis.entry import Entry
from harness.analysis.readings import Bound, Correlation, ModelReading, rank_correlation


def titles(board: Board) -> dict[str, bool]:
    """The titles of the board's readings, and whether they bound distortions."""
    return {
        each.title: each.bound is not None for entry in board.entries for each in entry.readings
    }


def texts(entry: Entry, number: Callable[[float], str]) -> dict[str, str | None]:
    """The cells of `columns` for one model."""
    cells: dict[str, str | None] = {}
    for each in entry.readings:
        cells[each.title] = f"{number(each.mean)} ({each.images})"
        if each.bound is not None:
            cells[f"{each.title} bound"] = bound_text(each.bound, number)
    return cells


def bound_text(bound: Bound, number: Callable[[float], str]) -> str | None:
    """The attacks' side of a score: the mean, and how many images exceed theirs."""
    if bound.smallest is None:
        return None
    return f"{number(bound.smallest)} / {bound.exceeding} of {bound.images}"


def record(each: ModelReading) -> dict[str, Any]:
    """One reading as JSON-like data."""
    whole: dict[str, Any] = {"mean": each.mean, "images": each.images}
    if each.bound is not None:
        whole |= bound_record(each.bound)
    return whole


def bound_record(bound: Bound) -> dict[str, Any]:
    """A score beside the attacks' distortions, as JSON-like data."""
    return {
        "smallest_known_distortion": bound.smallest,
        "mean_of_the_same_images": bound.score,
        "compared": bound.images,
        "exceeding": bound.exceeding,
    }


def notes(board: Board) -> Iterable[str]:
    """What the columns do not say."""
    found = titles(board)
    if found:
        yield f"{', '.join(found)}: mean (number of measured images)"
    if any(found.values()):
        yield (
            "≤ attacks' / above: the score estimates a lower bound; beside it the mean of the"
            " smallest known distortions, and for how many images the score exceeds it (masked"
            " gradients or a bad fit)"
        )
    yield from map(correlation_note, correlations(board))


def correlations(board: Board) -> list[Correlation]:
    """Spearman's rank correlation of each reading with the attack's mean distortion.

    There is none with the distortion of a fixed budget.
    """
    if board.selection.attack.budget is not None:
        return []
    label = board.selection.attack.label
    distortions = {e.model: e.attack.mean for e in board.entries if e.attack.mean is not None}
    return [
        rank_correlation(
            title,
            label,
            {
                e.model: each.mean
                for e in board.entries
                for each in e.readings
                if each.title == title
            },
            distortions,
        )
        for title in titles(board)
    ]


def correlation_note(each: Correlation) -> str:
    """A rank correlation on one line."""
    value = "none" if each.value is None else f"{each.value:+.2f}"
    return (
        f"rank correlation (Spearman) of {each.score} with the mean distortion of {each.attack}"
        f" over {each.models} model{'' if each.models == 1 else 's'}: {value}"
    )
