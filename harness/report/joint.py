"""The multi-metric leaderboard: a frontier residual for each metric of robustness."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from harness.analysis.columns import MetricColumn
from harness.analysis.leaderboard import Leaderboard
from harness.analysis.place import Entry, Place
from harness.api.attacked import ENOUGH_SUCCESS
from harness.report import together
from harness.report.accuracies import (
    accuracy_fields,
    accuracy_notes,
    common_notes,
    doubtful,
    entry_fields,
    indicator_names,
    indicator_notes,
)
from harness.report.frontiers import (
    EXTRAPOLATION,
    RESIDUAL,
    STEPS,
    exclusion_notes,
    fit_record,
    fit_text,
    intervals_note,
    reference_notes,
    residual,
    residual_record,
    selection,
    unit_notes,
)
from harness.report.presentation import Cell, Field, Presentation, ResultTable, present
from harness.report.scores import (
    BOUND,
    bound_heading,
    bound_notes,
    bound_record,
    bound_text,
    correlation_note,
)
from harness.report.values import FEW_SUCCESSES, INCOMPLETE, marked, number, percent, shown


def presentation(board: Leaderboard) -> Presentation:
    """One row per model; JSON has what each metric has under ``metrics``."""
    images = f", {len(board.common.images)} common images" if board.common else ""
    title = f"{board.trial.suite}: multi-metric leaderboard, goal {board.trial.goal}{images}"
    found = present(
        _fields(board), board.entries, title=title, notes=footnotes(board), table=_table(board)
    )
    rows = list(zip(board.entries, found.records, strict=True))
    return replace(
        found,
        document=_document(board, rows),
        records=tuple(
            {
                **record,
                **{
                    f"{metric.title}: {name}": value
                    for metric in board.columns
                    for name, value in _place_record(metric.places[entry.model]).items()
                },
            }
            for entry, record in rows
        ),
    )


def _fields(board: Leaderboard) -> list[Field[Entry]]:
    found = [
        *entry_fields(_same, "By mean rank; equals share a rank.", board.entries),
        *accuracy_fields(_same),
        Field(
            "mean_rank",
            "mean rank",
            "Mean of the ranks under the metrics that have a residual for the model; their number.",
            text=_mean_rank,
            numeric=True,
        ),
        Field("ranked_metrics", value=lambda entry: entry.ranked),
        Field("complete"),
    ]
    for metric in board.columns:
        found.append(_metric_field(metric))
        if _bounded(metric):
            found.append(_bound_field(metric))
    return [*found, *together.joint_fields(board)]


def _same(entry: Entry) -> Entry:
    return entry


def _mean_rank(entry: Entry) -> Cell:
    return Cell(shown(entry.mean_rank, "{:.2f}".format), entry.mean_rank, str(entry.ranked))


def _metric_field(metric: MetricColumn) -> Field[Entry]:
    def text(entry: Entry) -> Cell:
        place = metric.places[entry.model]
        cell = residual(place, share=metric.frontier.steps)
        return replace(cell, text=marked(cell.text, _few(metric, place), FEW_SUCCESSES))

    meaning = f"Residual from the frontier of {metric.title}; positive: above the trend."
    if metric.frontier.steps:
        meaning = RESIDUAL[True]
    return Field(metric.title, heading(metric), meaning, text=text, numeric=True, data=False)


def _few(metric: MetricColumn, place: Place) -> bool:
    """Whether a mean over successes is over few of them; a robust accuracy is over all images."""
    return place.few_successes and not metric.frontier.steps


def _bound_field(metric: MetricColumn) -> Field[Entry]:
    def text(entry: Entry) -> Cell:
        place = metric.places[entry.model]
        if place.bound is None or place.robustness is None:
            return Cell(None)
        bound = bound_text(place.bound)
        return Cell(bound and f"{number(place.robustness)} ≤ {bound}", place.bound.smallest)

    name = bound_heading(heading(metric))
    return Field(f"{metric.title} bound", name, BOUND, text=text, numeric=True, data=False)


def heading(metric: MetricColumn) -> str:
    """A metric's short name: attack and norm, or what the measurement or metric declares."""
    if metric.frontier.steps:
        return f"residual, {metric.title}"
    if metric.attack:
        return f"{metric.attack.name} {metric.metric.norm}"
    return metric.shown.title if metric.shown and metric.shown.title else metric.title


def _bounded(metric: MetricColumn) -> bool:
    return any(place.bound is not None for place in metric.places.values())


def _table(board: Leaderboard) -> ResultTable:
    fits = [fit_record(metric) for metric in board.columns]
    more = {
        "dataset": board.trial.dataset,
        "goal": board.trial.goal,
        "seed": board.trial.seed,
        "accuracy": board.choice.accuracy,
        "common_images": len(board.common.images) if board.common else None,
        "metrics": fits,
        "rank_correlations": [asdict(each) for each in board.correlations],
    }
    return ResultTable("joint", board.trial.suite, selection(board), fits, more)


def _document(
    board: Leaderboard, rows: Iterable[tuple[Entry, Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    return [
        {
            **record,
            "indicators": indicator_names(entry),
            "warnings": [each.says for each in entry.indicators],
            "metrics": {
                metric.title: _place_record(metric.places[entry.model]) for metric in board.columns
            },
        }
        for entry, record in rows
    ]


def _place_record(place: Place) -> dict[str, Any]:
    return {
        **residual_record(place),
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


def footnotes(board: Leaderboard) -> list[str]:
    """What the columns do not say, one line each."""
    trial = board.trial
    return [
        f"goal {trial.goal}, seed {trial.seed}, dataset {trial.dataset}; {_residuals(board)}",
        "mean rank: over the metrics that have a residual for the model (their number)",
        *common_notes(board.common),
        *accuracy_notes(board.entries, board.choice.accuracy),
        *(note for metric in board.columns for note in _fit_notes(metric)),
        *_mark_notes(board),
        *_direction_notes(board),
        *_bound_notes(board),
        *map(correlation_note, board.correlations),
        *indicator_notes(doubtful(board.entries)),
        *_completeness_notes(board),
        *board.notes,
    ]


def _residuals(board: Leaderboard) -> str:
    if any(metric.frontier.steps for metric in board.columns):
        return STEPS
    return (
        "each metric's column is the residual of the mean from its fit, positive above the trend:"
        " for attacks the mean distortion over successes, in pixel space [0, 1], for scores that"
        " over measured images"
    )


def _fit_notes(metric: MetricColumn) -> Iterator[str]:
    incomplete = [m for m, place in metric.places.items() if place.status != "complete"]
    text = fit_text(metric, incomplete)
    label = metric.attack.label if metric.attack else metric.title
    yield f"{label}: {text}"
    yield from exclusion_notes(metric, label)
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
    if any(_few(metric, place) for metric in board.columns for place in metric.places.values()):
        yield (
            f"{FEW_SUCCESSES} success rate under {100 * ENOUGH_SUCCESS:.0f}%: the mean is over the"
            " broken images only, and overstates the model's robustness"
        )
    found = [metric.intervals for metric in board.columns if metric.intervals]
    if found:
        yield intervals_note(min(found, key=lambda each: each.fits))


def _direction_notes(board: Leaderboard) -> Iterator[str]:
    turned = [metric.title for metric in board.columns if metric.turned]
    if turned:
        yield (
            f"{', '.join(turned)}: lower is more robust, so frontier, fit and residual are those of"
            " the negative"
        )


def _bound_notes(board: Leaderboard) -> Iterator[str]:
    bounded = [metric for metric in board.columns if _bounded(metric)]
    yield from bound_notes(
        {metric.title: metric.shown for metric in bounded if metric.shown is not None}
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
