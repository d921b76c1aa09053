"""Measurements on a leaderboard: texts, records and footnotes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from harness.analysis.leaderboard import Leaderboard
from harness.analysis.scores import Bound, Correlation, Scored


def titles(board: Leaderboard) -> dict[str, bool]:
    """The titles of a leaderboard's measurements, and whether they bound distortions."""
    return {
        each.title: each.norm is not None for scores in board.scores.values() for each in scores
    }


def texts(scores: Iterable[Scored], number: Callable[[float], str]) -> dict[str, str | None]:
    """The cells of `columns` for one model."""
    cells: dict[str, str | None] = {}
    for each in scores:
        cells[each.title] = (
            None if each.mean is None else f"{number(each.mean)} ({len(each.values)})"
        )
        if each.bound is not None:
            cells[f"{each.title} bound"] = bound_text(each.bound, number)
    return cells


def bound_text(bound: Bound, number: Callable[[float], str]) -> str | None:
    """The attacks' side of a score: the mean, and how many images exceed theirs."""
    if bound.smallest is None:
        return None
    return f"{number(bound.smallest)} / {bound.exceeding} of {bound.images}"


def record(each: Scored) -> dict[str, Any]:
    """One measurement as JSON-like data."""
    whole: dict[str, Any] = {"mean": each.mean, "images": len(each.values)}
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


def notes(board: Leaderboard) -> Iterable[str]:
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
    yield from map(correlation_note, board.correlations)


def correlation_note(each: Correlation) -> str:
    """A rank correlation on one line."""
    value = "none" if each.value is None else f"{each.value:+.2f}"
    return (
        f"rank correlation (Spearman) of {each.score} with the mean distortion of {each.attack}"
        f" over {each.models} model{'' if each.models == 1 else 's'}: {value}"
    )
