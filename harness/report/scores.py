"""The scores of measurements on a leaderboard: columns, records and footnotes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.analysis.leaderboard import Leaderboard
from harness.analysis.place import Entry, Place
from harness.analysis.scores import Bound, Correlation, Scored
from harness.api import LeaderboardColumn
from harness.report.presentation import Cell, Field
from harness.report.values import number


def titles(board: Leaderboard) -> dict[str, Scored]:
    """The titles of a leaderboard's measurements, and one of each."""
    return {
        each.title: each
        for scores in board.scores.values()
        for each in scores
        if each.shown.is_on("leaderboard")
    }


def fields(board: Leaderboard) -> Iterator[Field[tuple[Entry, Place]]]:
    """For each measurement its mean, and the attacks' side of scores that bound distortions."""
    for title, one in titles(board).items():
        yield _mean_field(board, title, one)
        if one.norm is not None:
            yield _bound_field(board, title, one.heading)


def metric_fields(board: Leaderboard) -> Iterator[Field[tuple[Entry, Place]]]:
    """For each metric that declares a column here its value; JSON has all metrics together."""
    for name, shown in board.metrics.shown.items():
        if shown.is_on("leaderboard"):
            yield _metric_field(board, name, shown)


def _metric_field(
    board: Leaderboard, name: str, shown: LeaderboardColumn
) -> Field[tuple[Entry, Place]]:
    def text(row: tuple[Entry, Place]) -> Cell:
        value = board.metrics.values.get(row[0].model, {}).get(name)
        return Cell(None if value is None else formatted(value, shown), value)

    meaning = f"Metric {name}{direction(shown)}."
    return Field(name, shown.title or name, meaning, text=text, numeric=True, data=False)


def formatted(value: float, shown: LeaderboardColumn | None) -> str:
    """A value as its metric or measurement declares it."""
    return format(value, shown.format) if shown and shown.format else number(value)


def direction(shown: LeaderboardColumn) -> str:
    """What a column's heading does not say."""
    if shown.higher_is_more_robust is None:
        return ""
    return f"; {'higher' if shown.higher_is_more_robust else 'lower'} is more robust"


def _mean_field(board: Leaderboard, title: str, one: Scored) -> Field[tuple[Entry, Place]]:
    def text(row: tuple[Entry, Place]) -> Cell:
        score = _score(board, row, title)
        if score is None or score.mean is None:
            return Cell(None)
        return Cell(formatted(score.mean, score.shown), score.mean, str(len(score.values)))

    meaning = f"Mean over the measured images, and their number{direction(one.shown)}."
    return Field(title, one.heading, meaning, text=text, numeric=True, data=False)


def _bound_field(board: Leaderboard, title: str, name: str) -> Field[tuple[Entry, Place]]:
    def text(row: tuple[Entry, Place]) -> Cell:
        score = _score(board, row, title)
        bound = score.bound if score else None
        return Cell(bound_text(bound), bound.smallest) if bound else Cell(None)

    heading = bound_heading(name)
    return Field(f"{title} bound", heading, BOUND, text=text, numeric=True, data=False)


def _score(board: Leaderboard, row: tuple[Entry, Place], title: str) -> Scored | None:
    scores = board.scores.get(row[0].model, ())
    return next((each for each in scores if each.title == title), None)


def bound_heading(title: str) -> str:
    return f"{title}: attack distortion / violations"


BOUND = (
    "The mean of the smallest known distortions, and for how many images the score, an estimate of"
    " a lower bound, exceeds them."
)


def bound_text(bound: Bound) -> str | None:
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
    """A score next to the attacks' distortions, as JSON-like data."""
    return {
        "smallest_known_distortion": bound.smallest,
        "mean_of_the_same_images": bound.score,
        "compared": bound.images,
        "exceeding": bound.exceeding,
    }


BOUND_NOTE = (
    "attack distortion / violations: the score estimates a lower bound; shown next to its mean are"
    " that of the smallest known distortions and the number of images where the score exceeds it"
    " (masked gradients or a bad fit)"
)


PROVED_NOTE = (
    "{}: a proved lower bound; the smallest distortions lie between its mean and that of the"
    " smallest known ones next to it (`harness show CELL IMAGE`: of each image)"
)


def bound_notes(bounds: Mapping[str, LeaderboardColumn]) -> Iterator[str]:
    """What scores that bound distortions are, by title."""
    proved = [title for title, shown in bounds.items() if shown.proved]
    if len(proved) < len(bounds):
        yield BOUND_NOTE
    if proved:
        yield PROVED_NOTE.format(", ".join(proved))


def notes(board: Leaderboard) -> Iterable[str]:
    """What the columns do not say."""
    found = titles(board)
    if found:
        yield f"{', '.join(found)}: mean (number of measured images)"
    yield from bound_notes(
        {title: each.shown for title, each in found.items() if each.norm is not None}
    )
    yield from map(correlation_note, board.correlations)


def correlation_note(each: Correlation) -> str:
    """A rank correlation on one line."""
    value = "none" if each.value is None else f"{each.value:+.2f}"
    return (
        f"rank correlation (Spearman) of {each.score} with the mean distortion of {each.attack}"
        f" over {each.models} model{'' if each.models == 1 else 's'}: {value}"
    )
