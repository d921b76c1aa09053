"""The joint board as text or data: columns for people, a document for programs, and footnotes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from harness.analysis.columns import MetricColumn
from harness.analysis.leaderboard import Leaderboard
from harness.analysis.place import ENOUGH_SUCCESS, Entry, Place
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
    reference_notes,
    unit_notes,
)
from harness.report.readings import bound_record, bound_text, correlation_note
from harness.report.tables import Column
from harness.report.values import FEW_SUCCESSES, INCOMPLETE, amount, marked, number, percent, shown

TABLE = (
    Column("rank", "#", right=True, repeated=True),
    Column("model", "model", repeated=True),
    Column("family", "family"),
    Column("parameters", "params", right=True),
    Column("top1", "top-1 (95 %)", right=True),
    Column("mean_rank", "mean rank", right=True),
)
"""What people see of every board, before a column or two for each metric."""


def heading(metric: MetricColumn) -> str:
    """A metric's short name: attack and norm, or measurement and score."""
    return f"{metric.attack.name} {metric.metric.norm}" if metric.attack else metric.title


def columns(board: Leaderboard) -> list[Column]:
    """`TABLE`, each metric's distance, and beside scores that are distances the attacks' side."""
    found = list(TABLE)
    for metric in board.columns:
        found.append(Column(metric.title, heading(metric), right=True))
        if _bounded(metric):
            name = f"{heading(metric)} ≤ attacks' / above"
            found.append(Column(f"{metric.title} bound", name, right=True))
    return found


def _bounded(metric: MetricColumn) -> bool:
    return any(place.bound is not None for place in metric.places.values())


def text_rows(board: Leaderboard) -> list[dict[str, str | None]]:
    """The board for tables and Markdown: every value as text, with its marks."""
    return [_text_row(board, row) for row in board.entries]


def _text_row(board: Leaderboard, row: Entry) -> dict[str, str | None]:
    cells = {
        "rank": shown(row.rank, str),
        "model": model_text(row),
        "family": row.family,
        "parameters": shown(row.parameters, amount),
        "top1": accuracy_text(row),
        "mean_rank": shown(row.mean_rank, lambda mean: f"{mean:.2f} ({row.ranked})"),
    }
    for metric in board.columns:
        place = metric.places[row.model]
        cells[metric.title] = marked(distance(place), place.few_successes, FEW_SUCCESSES)
        if place.bound is not None and place.robustness is not None:
            bound = bound_text(place.bound, number)
            cells[f"{metric.title} bound"] = bound and f"{number(place.robustness)} ≤ {bound}"
    return cells


def document(board: Leaderboard) -> dict[str, Any]:
    """The board as one JSON-like object: its metrics with their fits, and a row for each model."""
    return {
        "suite": board.trial.suite,
        "dataset": board.trial.dataset,
        "goal": board.trial.goal,
        "seed": board.trial.seed,
        "accuracy": board.choice.accuracy,
        "common_images": len(board.common.images) if board.common else None,
        "metrics": [_metric_record(metric) for metric in board.columns],
        "rank_correlations": [
            {"score": each.score, "attack": each.attack, "models": each.models, "value": each.value}
            for each in board.correlations
        ],
        "rows": [
            {
                **_row_record(row),
                "warnings": list(row.doubts),
                "metrics": {
                    metric.title: _place_record(metric.places[row.model])
                    for metric in board.columns
                },
            }
            for row in board.entries
        ],
    }


def _metric_record(metric: MetricColumn) -> dict[str, Any]:
    fit = metric.reference.fit if metric.reference else metric.frontier.fit
    spread = metric.intervals
    return {
        "title": metric.title,
        "attack": metric.attack.name if metric.attack else None,
        "norm": metric.metric.norm,
        "source": metric.reference.source if metric.reference else "fitted",
        "per_pixel": bool(metric.reference and metric.reference.per_pixel),
        "a": fit.a if fit else None,
        "b": fit.b if fit else None,
        "r2": fit.r2 if fit else None,
        "a_interval": spread.a if spread else None,
        "b_interval": spread.b if spread else None,
        "replicates": spread.replicates if spread else None,
        "replicates_with_fit": spread.fits if spread else None,
        "members": [point.name for point in metric.frontier.members],
    }


def _row_record(row: Entry) -> dict[str, Any]:
    return {
        "rank": row.rank,
        "model": row.model,
        "family": row.family,
        "parameters": row.parameters,
        "top1": row.top1,
        "top1_measured": row.accuracy.measured,
        "top1_published": row.accuracy.published,
        "top1_images": row.accuracy.images,
        "mean_rank": row.mean_rank,
        "ranked_metrics": row.ranked,
        "complete": row.complete,
    }


def _place_record(place: Place) -> dict[str, Any]:
    return {
        **distance_record(place),
        "rank": place.rank,
        "robustness": place.robustness,
        "frontier_fitted": place.placing.fitted,
        "on_frontier": place.placing.on_frontier,
        "extrapolated": place.placing.extrapolated,
        "success": place.attack.success if place.attack else None,
        "images_behind": place.images,
        "images": place.of,
        "without": place.without,
        "status": place.status,
        **(bound_record(place.bound) if place.bound else {}),
    }


def csv_rows(board: Leaderboard) -> list[dict[str, Any]]:
    """A flat row for each model: a metric's values are under its title and their names."""
    return [
        _row_record(row)
        | {
            f"{metric.title}: {name}": value
            for metric in board.columns
            for name, value in _place_record(metric.places[row.model]).items()
        }
        for row in board.entries
    ]


def title(board: Leaderboard) -> str:
    """What the board is about, on one line."""
    images = f", {len(board.common.images)} common images" if board.common else ""
    return f"{board.trial.suite}: joint board, goal {board.trial.goal}{images}"


def footnotes(board: Leaderboard) -> list[str]:
    """All that the columns do not say, one line each."""
    trial = board.trial
    return [
        f"goal {trial.goal}, seed {trial.seed}, data set {trial.dataset}; each metric's column is"
        " the distance of the mean from its fit, positive above the trend: of attacks the mean"
        " distortion over successes, in pixel space [0, 1], of scores that over measured images",
        "#: rank of the mean rank; mean rank: over the metrics that have a distance for the model"
        " (their number)",
        *common_notes(board.common),
        *accuracy_notes(board.entries, board.choice.accuracy),
        *(note for metric in board.columns for note in _fit_notes(metric)),
        *_mark_notes(board),
        *_bound_notes(board),
        *map(correlation_note, board.correlations),
        *doubt_notes(board.entries),
        *_completeness_notes(board),
        *board.notes,
    ]


def _fit_notes(metric: MetricColumn) -> Iterator[str]:
    incomplete = [m for m, place in metric.places.items() if place.status != "complete"]
    text = fit_text(metric, incomplete)
    label = metric.attack.label if metric.attack else metric.title
    yield f"{label}: {text}"
    if metric.intervals:
        shares = {
            model: place.spread.on_frontier
            for model, place in metric.places.items()
            if place.spread is not None and place.spread.on_frontier
        }
        named = ", ".join(
            f"{m} {percent(shares[m])}" for m in sorted(shares, key=lambda m: -shares[m])
        )
        yield f"{label}: on frontier: {named}"
    if metric.reference:
        for note in reference_notes(metric.reference):
            yield f"{label}: {note}"
        without = [
            model
            for model, place in metric.places.items()
            if metric.reference.per_pixel
            and place.robustness is not None
            and place.placing.distance is None
        ]
        for note in unit_notes(metric.reference, without):
            yield f"{label}: {note}"


def _mark_notes(board: Leaderboard) -> Iterator[str]:
    places = [place for metric in board.columns for place in metric.places.values()]
    if any(place.placing.extrapolated for place in places):
        yield EXTRAPOLATION
    if any(place.few_successes for place in places):
        yield (
            f"{FEW_SUCCESSES} success under {100 * ENOUGH_SUCCESS:.0f} %: the mean is over the"
            " images that broke, and flatters the model"
        )
    found = [metric.intervals for metric in board.columns if metric.intervals]
    if found:
        yield intervals_note(min(found, key=lambda each: each.fits))


def _bound_notes(board: Leaderboard) -> Iterator[str]:
    bounded = [metric for metric in board.columns if _bounded(metric)]
    if bounded:
        yield (
            "≤ attacks' / above: the score estimates a lower bound; beside its mean that of"
            " the smallest known distortions, and for how many images the score exceeds it (masked"
            " gradients or a bad fit)"
        )
    for metric in bounded:
        bounds = [place.bound for place in metric.places.values() if place.bound]
        yield (
            f"{metric.title}: above the smallest known distortion on"
            f" {sum(each.exceeding for each in bounds)} of {sum(each.images for each in bounds)}"
            " (model, image) pairs"
        )


def _completeness_notes(board: Leaderboard) -> Iterable[str]:
    for row in board.entries:
        if not row.complete:
            parts = [_incomplete(metric, metric.places[row.model]) for metric in board.columns]
            if row.accuracy.missing:
                parts.append(f"no clean prediction for {row.accuracy.missing} images")
            yield f"{INCOMPLETE} {row.model}: {'; '.join(part for part in parts if part)}"


def _incomplete(metric: MetricColumn, place: Place) -> str:
    if place.status == "not run":
        return f"{heading(metric)} not run"
    if not place.without:
        return ""
    return f"{heading(metric)}: {place.without} of {place.of} images without a result"
