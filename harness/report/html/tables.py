"""The boards as tables of the page: text to read, a value to sort by, and what columns mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.analysis.columns import MetricColumn
from harness.analysis.leaderboard import Leaderboard
from harness.analysis.place import Entry, Place
from harness.analysis.scores import Scored
from harness.report import leaderboard as text
from harness.report.accuracies import model_text
from harness.report.html.shown import NOTHING, number, percent, percents, span
from harness.report.values import EXTRAPOLATED

Key = float | str | None


@dataclass(frozen=True, slots=True)
class Column:
    """``numeric`` columns are set right; ``meaning`` explains the heading."""

    heading: str
    meaning: str
    numeric: bool = True


@dataclass(frozen=True, slots=True)
class Cell:
    """What is read, and what it is sorted by; None comes last either way."""

    text: str
    key: Key
    quiet: str = ""


@dataclass(frozen=True, slots=True)
class BoardTable:
    """A board of the page; ``choice`` is what selects it."""

    choice: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]


MEANINGS = {
    "rank": "By distance from the frontier, the most robust first; equals share a rank.",
    "model": "The model's name in the registry.",
    "family": "The architecture's family.",
    "parameters": "The number of parameters.",
    "top1": "Accuracy over all images, before any exclusion, with its 95 % Wilson interval.",
    "success": "The share of the attacked images that the attack broke.",
    "distortion_mean": "Mean distortion of the broken images, in the attack's norm.",
    "distortion_median": "Median distortion of the broken images.",
    "distortion_median_all": "Median distortion with failures as infinite.",
    "frontier_distance": "Mean distortion minus the fitted frontier's value at this accuracy:"
    " positive is more robust than the trend.",
    "images": "Attacked images, of all images of the cell.",
}
HEADINGS = {"rank": "rank", "top1": "top-1", "distortion_median_all": "median, all"}

_KEYS: dict[str, Callable[[Entry, Place], Key]] = {
    "rank": lambda entry, place: entry.rank,
    "model": lambda entry, place: entry.model,
    "family": lambda entry, place: entry.family,
    "parameters": lambda entry, place: entry.parameters,
    "top1": lambda entry, place: entry.top1,
    "success": lambda entry, place: text.attack_of(place).success,
    "distortion_mean": lambda entry, place: place.robustness,
    "distortion_median": lambda entry, place: text.attack_of(place).median,
    "distortion_median_all": lambda entry, place: text.attack_of(place).median_all,
    "frontier_distance": lambda entry, place: place.placing.distance,
    "images": lambda entry, place: text.attack_of(place).attacked,
}


def board_table(board: Leaderboard) -> BoardTable:
    """A board of one attack and goal."""
    columns = text.columns(board)
    rows = tuple(
        tuple(_cell(board, column.key, shown.get(column.key), row) for column in columns)
        for shown, row in zip(text.text_rows(board), board.rows, strict=True)
    )
    trial = board.trial
    return BoardTable(
        choice=(trial.attack.label, trial.goal),
        columns=tuple(
            Column(
                HEADINGS.get(column.key, column.heading),
                MEANINGS.get(column.key, "A measurement's mean, and beside it the attacks' side."),
                column.right,
            )
            for column in columns
        ),
        rows=rows,
        notes=tuple(text.footnotes(board)),
    )


def _cell(board: Leaderboard, key: str, shown: str | None, row: tuple[Entry, Place]) -> Cell:
    """Of an interval in brackets the page makes quieter text."""
    scores = board.scores.get(row[0].model, ())
    value = _KEYS[key](*row) if key in _KEYS else _reading(key, scores)
    if key == "top1" and shown and "(" in shown:
        head, _, tail = shown.partition(" (")
        return Cell(head, value, tail.removesuffix(")"))
    return Cell(NOTHING if shown is None else shown, value)


def _reading(key: str, scores: Sequence[Scored]) -> float | None:
    """The value of a measurement's column: its mean, or the attacks' side of it."""
    for each in scores:
        if key == each.title:
            return each.mean
        if key == f"{each.title} bound" and each.bound is not None:
            return each.bound.smallest
    return None


def joint_table(board: Leaderboard) -> BoardTable:
    """The joint board of one goal: a distance and a rank a metric."""
    columns = [
        Column("rank", "Of the mean rank; equals share a rank."),
        Column("model", MEANINGS["model"], numeric=False),
        Column("family", MEANINGS["family"], numeric=False),
        Column("top-1", MEANINGS["top1"]),
        Column(
            "mean rank", "Mean of the ranks under each metric that the model has a distance in."
        ),
        *(
            Column(
                f"{metric.title}",
                f"Distance from the frontier of {metric.title}, its 95 % bootstrap interval, and"
                " the rank in brackets.",
            )
            for metric in board.columns
        ),
    ]
    return BoardTable(
        choice=(board.trial.goal,),
        columns=tuple(columns),
        rows=tuple(_joint_row(row, board.columns) for row in board.entries),
        notes=board.notes,
    )


def _joint_row(row: Entry, metrics: Sequence[MetricColumn]) -> tuple[Cell, ...]:
    interval = row.accuracy.interval if row.top1 == row.accuracy.measured else None
    return (
        Cell(NOTHING if row.rank is None else str(row.rank), row.rank),
        Cell(model_text(row), row.model),
        Cell(row.family or NOTHING, row.family),
        Cell(percent(row.top1), row.top1, "" if interval is None else percents(interval)),
        Cell(NOTHING if row.mean_rank is None else f"{row.mean_rank:.1f}", row.mean_rank),
        *(_metric_cell(row.model, metric) for metric in metrics),
    )


def _metric_cell(model: str, metric: MetricColumn) -> Cell:
    place = metric.places.get(model)
    if place is None or place.placing.distance is None:
        return Cell(NOTHING, None)
    mark = EXTRAPOLATED if place.placing.extrapolated else ""
    interval = span(place.spread.distance) if place.spread else ""
    return Cell(
        f"{number(place.placing.distance, '+')}{mark} ({place.rank})",
        place.placing.distance,
        interval,
    )
