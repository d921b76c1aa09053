"""The leaderboard of one attack and goal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from harness.analysis.detectable import POWER, detectable
from harness.analysis.leaderboard import Leaderboard
from harness.analysis.margins import margins
from harness.analysis.place import Entry, Place
from harness.api import Status
from harness.api.attacked import ENOUGH_SUCCESS, Attacked
from harness.api.records import FAILED
from harness.api.statistics import CONFIDENCE
from harness.report import scores, together
from harness.report.accuracies import (
    accuracy_fields,
    accuracy_notes,
    common_notes,
    doubtful,
    entry_fields,
    indicator_fields,
    indicator_notes,
)
from harness.report.attacked import (
    images_field,
    median_fields,
    robust_accuracy_fields,
    success_fields,
)
from harness.report.frontiers import (
    EXTRAPOLATION,
    RESIDUAL,
    STEPS,
    exclusion_notes,
    fit_record,
    fit_text,
    intervals_note,
    members,
    reference_notes,
    residual,
    residual_bound,
    selection,
    steps_text,
    unit_notes,
)
from harness.report.presentation import Field, Presentation, ResultTable, present
from harness.report.regimes import regime_fields, regime_fits, regime_notes
from harness.report.values import (
    FEW_SUCCESSES,
    INCOMPLETE,
    finite,
    number,
    percent,
    shown,
)
from harness.store.read.cells import StoredCell

Row = tuple[Entry, Place]


def presentation(board: Leaderboard) -> Presentation:
    """One row per model; rates and accuracies in [0, 1].

    What does not exist is None, and so is an infinite median: a flag next to it says so.
    """
    trial = board.trial
    images = f", {len(board.common.images)} common images" if board.common else ""
    return present(
        _fields(board),
        board.rows,
        title=f"{trial.suite}: {trial.attack.label}, goal {trial.goal}{images}",
        notes=footnotes(board),
        table=ResultTable(
            "leaderboard",
            trial.suite,
            selection(board),
            [fit_record(board.column), *regime_fits(board)],
            _more(board),
        ),
    )


def _more(board: Leaderboard) -> dict[str, Any]:
    return {
        "dataset": board.trial.dataset,
        "attack": board.trial.attack.label,
        "goal": board.trial.goal,
        "norm": board.trial.attack.norm,
        "budget": board.trial.attack.budget,
        "members": [each.label for each in board.trial.attack.members],
        "seed": board.trial.seed,
        "rank_correlations": [asdict(each) for each in board.correlations],
        "detectable": shown(detectable(board), asdict),
    }


def attack_of(row: Row) -> Attacked:
    """The outcomes behind a row of a single leaderboard."""
    attack = row[1].attack
    assert attack is not None
    return attack


def _fields(board: Leaderboard) -> list[Field[Row]]:
    return [
        *_model_fields(board),
        *_attack_fields(board),
        *together.fields(board),
        *_frontier_fields(board),
        *regime_fields(board),
        *_data_fields(board),
    ]


def _model_fields(board: Leaderboard) -> list[Field[Row]]:
    def bound(row: Row, end: int) -> float | None:
        interval = row[0].accuracy.interval if board.choice.accuracy == "measured" else None
        return interval[end] if interval else None

    ranked = {
        "frontier": "By frontier residual, the most robust first; equals share a rank.",
        "accuracy": "By accuracy; equals share a rank.",
        "distortion": "By mean distortion; equals share a rank.",
        "success": "By success rate, the lowest first; equals share a rank.",
        "robust": "By robust accuracy; equals share a rank.",
    }
    return [
        *entry_fields(entry_of, ranked[board.sort], board.entries),
        Field("top1_low", value=lambda row: bound(row, 0)),
        Field("top1_high", value=lambda row: bound(row, 1)),
        *accuracy_fields(entry_of),
    ]


def entry_of(row: Row) -> Entry:
    return row[0]


def _attack_fields(board: Leaderboard) -> list[Field[Row]]:
    norm, fixed = board.trial.attack.norm, board.trial.attack.fixed
    near = board.choice.at is None  # else distances are cut off at the budget
    robust = robust_accuracy_fields(attack_of, lambda _: fixed, shown=fixed)
    success = success_fields(attack_of, "" if fixed else FEW_SUCCESSES)
    return [
        *(robust + success if fixed else success + robust),
        Field(
            "distortion_mean",
            "mean" if near else None,
            f"Mean {norm} distortion of the broken images.",
            value=lambda row: attack_of(row).mean,
            show=number,
            numeric=True,
        ),
        Field(
            "distortion_median",
            "median" if near else None,
            f"Median {norm} distortion of the broken images.",
            value=lambda row: attack_of(row).median,
            show=number,
            numeric=True,
        ),
        *median_fields(attack_of, shown=near),
    ]


def _frontier_fields(board: Leaderboard) -> list[Field[Row]]:
    with_intervals = board.column.intervals is not None
    reference, common = board.column.reference, board.common
    return [
        Field(
            "frontier_distance",
            "frontier residual (95% CI)" if with_intervals else "frontier residual",
            RESIDUAL[board.column.frontier.steps],
            value=lambda row: row[1].placing.distance,
            text=lambda row: residual(row[1], share=board.column.frontier.steps),
            numeric=True,
        ),
        Field("frontier_distance_low", value=lambda row: residual_bound(row[1], 0)),
        Field("frontier_distance_high", value=lambda row: residual_bound(row[1], 1)),
        Field(
            "on_frontier_share",
            "on frontier" if with_intervals else None,
            "Share of the bootstrap replicates in which the model is Pareto-optimal.",
            value=lambda row: shown(row[1].spread, lambda spread: spread.on_frontier),
            show=percent,
            numeric=True,
        ),
        Field("frontier_fitted", value=lambda row: row[1].placing.fitted),
        Field("on_frontier", value=lambda row: row[1].placing.on_frontier),
        Field("frontier_excluded", value=lambda row: row[1].placing.excluded),
        Field("extrapolated", value=lambda row: row[1].placing.extrapolated),
        Field("frontier_source", value=lambda _: reference.source if reference else "fitted"),
        Field("common_images", value=lambda _: len(common.images) if common else None),
        Field("common_images_of", value=lambda _: common.of if common else None),
    ]


def _data_fields(board: Leaderboard) -> list[Field[Row]]:
    trial = board.trial
    correlations = {each.score: each.value for each in board.correlations}
    return [
        images_field(attack_of),
        *scores.fields(board),
        *scores.metric_fields(board),
        *_margin_fields(board),
        Field("attacked", value=lambda row: attack_of(row).attacked),
        Field("broken", value=lambda row: attack_of(row).broken),
        Field("clean_wrong", value=lambda row: attack_of(row).count("clean_wrong")),
        Field("invalid", value=lambda row: attack_of(row).count("invalid")),
        Field("errors", value=lambda row: attack_of(row).count("error")),
        Field("missing", value=lambda row: attack_of(row).count("missing")),
        Field("complete", value=lambda row: row[0].complete),
        Field("status", value=lambda row: row[1].status),
        Field("error", value=lambda row: row[0].error),
        *indicator_fields(entry_of),
        Field("suite", value=lambda _: trial.suite),
        Field("dataset", value=lambda _: trial.dataset),
        Field("attack", value=lambda _: trial.attack.label),
        Field("goal", value=lambda _: trial.goal),
        Field("norm", value=lambda _: trial.attack.norm),
        Field("seed", value=lambda _: trial.seed),
        Field("metrics", value=lambda row: _finite(board.metrics.values.get(row[0].model, {}))),
        Field(
            "measurements",
            value=lambda row: {
                each.title: scores.record(each) for each in board.scores.get(row[0].model, ())
            },
        ),
        Field("rank_correlations", value=lambda _: correlations),
    ]


def _margin_fields(board: Leaderboard) -> list[Field[Row]]:
    """Ends of intervals, and the cells that a row is of."""
    found, trial = margins(board), board.trial

    def end(row: Row, name: str, index: int) -> float | None:
        own = found.get(row[0].model)
        interval = getattr(own, name) if own else None
        return None if interval is None else interval[index]

    def ends(key: str, name: str) -> list[Field[Row]]:
        return [
            Field(f"{key}_low", value=lambda row: end(row, name, 0)),
            Field(f"{key}_high", value=lambda row: end(row, name, 1)),
        ]

    return [
        *ends("success", "success"),
        *ends("robust_accuracy", "robust_accuracy"),
        *ends("distortion_mean", "distortion"),
        Field("cell_key", value=lambda row: shown(trial.cells.get(row[0].model), _key)),
        Field("clean_key", value=lambda row: shown(trial.clean.get(row[0].model), _key)),
    ]


def _key(cell: StoredCell) -> str:
    return cell.key


def _finite(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: finite(value) for name, value in values.items()}


def footnotes(board: Leaderboard) -> list[str]:
    """What the columns do not say, one line each."""
    return [
        _about(board),
        *together.notes(board),
        *common_notes(board.common),
        *accuracy_notes(board.entries, board.choice.accuracy),
        *_frontier_notes(board),
        *regime_notes(board, {entry.model for entry in board.entries if not entry.complete}),
        *_success_notes(board),
        *_detectable_notes(board),
        *scores.notes(board),
        *indicator_notes(doubtful(board.entries)),
        *_completeness_notes(board),
        *board.notes,
    ]


def _about(board: Leaderboard) -> str:
    trial = board.trial
    which = "of the cell" if board.common is None else "common ones of the cell"
    if board.choice.at is not None:
        return together.about(board, which)
    kind = "" if trial.attack.budget is None else f" (fixed budget {trial.attack.budget:g})"
    return (
        f"attack {trial.attack.label}{kind}, goal {trial.goal}, seed {trial.seed}, dataset"
        f" {trial.dataset}; mean and median {trial.attack.norm} distortion over successes, in pixel"
        f" space [0, 1]; images: attacked/all {which}"
    )


def _frontier_notes(board: Leaderboard) -> Iterable[str]:
    incomplete = {entry.model for entry in board.entries if not entry.complete}
    column = board.column
    curve, reference = column.frontier, column.reference
    yield from exclusion_notes(column)
    if curve.steps:
        yield f"frontier: {steps_text(curve, incomplete)}"
        yield STEPS
        if column.intervals:
            yield intervals_note(column.intervals, steps=True)
        return
    if curve.fit is None and reference is None:
        nothing = "residuals or ranks" if board.sort == "frontier" else "residuals"
        named = members(curve, incomplete)
        yield f"no frontier fit, so no {nothing}: {curve.reason}" + (f" ({named})" if named else "")
        return
    yield f"frontier: {fit_text(column, incomplete)}"
    yield "frontier residual: mean distortion minus the fit's value; positive is above the trend"
    if reference:
        yield from reference_notes(reference)
        yield from unit_notes(reference, [e.model for e in board.entries if not e.pixels])
    if any(place.placing.extrapolated for place in column.places.values()):
        yield EXTRAPOLATION
    if column.intervals:
        yield intervals_note(column.intervals)


def _success_notes(board: Leaderboard) -> Iterable[str]:
    if board.trial.attack.fixed:
        return
    if any(place.few_successes for place in board.column.places.values()):
        yield (
            f"{FEW_SUCCESSES} success rate under {100 * ENOUGH_SUCCESS:.0f}%: mean and median are"
            " over the broken images only, and overstate the model's robustness"
        )
    without = [
        entry.model
        for entry, place in board.rows
        if place.attack and place.attack.attacked and not place.attack.broken
    ]
    if without:
        yield f"no success, so no distortion and no place in the fit: {', '.join(without)}"


def _detectable_notes(board: Leaderboard) -> Iterable[str]:
    found = detectable(board)
    if found is None:
        return
    rate = found.unit != "distortion"
    size = f"{100 * found.difference:.1f} points" if rate else number(found.difference)
    what = {"accuracy": "top-1", "distortion": f"mean {board.trial.attack.norm} distortion"}
    between = "1 pair" if found.pairs == 1 else f"{found.pairs} pairs"
    yield (
        f"detectable on the {found.images} images that two models share: differences in"
        f" {what.get(found.unit, found.unit)} of {size} or more between neighbouring rows"
        f" ({100 * POWER:.0f}% power, two-sided {100 * (1 - CONFIDENCE):.0f}%, paired; median of"
        f" {between}); `--ranks holm` tests all pairs"
    )


def _completeness_notes(board: Leaderboard) -> Iterable[str]:
    fixed = board.trial.attack.fixed
    for entry, place in board.rows:
        if not entry.complete:
            yield f"{INCOMPLETE} {entry.model}: {_incomplete(entry, place, fixed=fixed)}"


def _incomplete(entry: Entry, place: Place, *, fixed: bool) -> str:
    attack, clean = attack_of((entry, place)), entry.accuracy
    cause = f"; last error: {entry.error}" if entry.error else ""
    if place.status == "not run":
        return f"not run{cause}"
    counts = (
        *((attack.count(each), "with errors" if each is Status.ERROR else each) for each in FAILED),
        (attack.count("missing"), "missing"),
    )
    parts = [f"{count} {what}" for count, what in counts if count]
    text = f"of {attack.images} images {', '.join(parts)}" if parts else "all images attacked"
    if attack.success_bounds and attack.unknown:
        low, high = attack.success_bounds
        text += f", success rate between {percent(low)} and {percent(high)}"
    if fixed and attack.robust_accuracy_bounds and attack.unknown:
        low, high = attack.robust_accuracy_bounds
        text += f", robust accuracy between {percent(low)} and {percent(high)}"
    if clean.missing or not clean.images:
        text += (
            f"; no clean prediction for {clean.missing} of {clean.images + clean.missing} images"
        )
    return text + cause
