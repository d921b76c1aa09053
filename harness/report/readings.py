"""Measurements on a leaderboard: texts, records and footnotes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from harness.analysis.board import Board
from harness.analysis.entry import Entry
from harness.analysis.readings import ModelReading


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
            known = each.bound.smallest
            cells[f"{each.title} bound"] = (
                None
                if known is None
                else f"{number(known)} / {each.bound.exceeding} of {each.bound.images}"
            )
    return cells


def record(each: ModelReading) -> dict[str, Any]:
    """One reading as JSON-like data."""
    whole: dict[str, Any] = {"mean": each.mean, "images": each.images}
    if each.bound is not None:
        whole |= {
            "smallest_known_distortion": each.bound.smallest,
            "mean_of_the_same_images": each.bound.score,
            "compared": each.bound.images,
            "exceeding": each.bound.exceeding,
        }
    return whole


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
