"""A transfer matrix: heat maps, their summary, one record per pair of models, and footnotes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from harness.analysis.transfer.summary import Asymmetry, Mean, SourceMean, Summary, summary
from harness.api import Goal
from harness.api.transfers import Rate, TransferMatrix
from harness.report.heatmap import HeatMap
from harness.report.presentation import Field, Presentation, ResultTable, present
from harness.report.values import percent

Row = TypeVar("Row")

SHOWN = 8
"""The most sources and pairs that a summary lists."""

COUNTS = {
    "paper": "all attacked images, including those of failed attacks",
    "code": "attacked images whose resized clean original the target classifies correctly",
}


def presentation(matrix: TransferMatrix, *, intervals: bool) -> Presentation:
    """The matrix; with ``intervals`` people see those of the summary."""
    short = summary(matrix)
    lists = (_sources(matrix, short, intervals), _pairs(short, intervals))
    return Presentation(
        records=tuple(records(matrix)),
        notes=tuple(footnotes(matrix, intervals=intervals)),
        parts=(*_maps(matrix, short), *(part for part in lists if part.rows)),
        table=ResultTable("transfer", matrix.suite, _selection(matrix)),
    )


def _selection(matrix: TransferMatrix) -> dict[str, Any]:
    return {
        "attack": matrix.attack.label,
        "epsilon": matrix.attack.budget,
        "goal": matrix.goal,
        "k": matrix.k,
        "denominator": matrix.denominator,
        "border": matrix.border,
    }


def records(matrix: TransferMatrix) -> list[dict[str, Any]]:
    """One record per pair of models, including the diagonal; rates in [0, 1].

    A pair without transfers has None for all its numbers.
    """
    about = {"suite": matrix.suite, **_selection(matrix)}
    found = []
    for source in matrix.models:
        for target in matrix.models:
            cell = matrix.cells.get((source, target))
            found.append(
                about
                | {
                    "source": source,
                    "source_family": matrix.families[source],
                    "target": target,
                    "target_family": matrix.families[target],
                    **_record(cell.rate if cell else None, "hits", "images", "missing", "rate"),
                    **_record(
                        cell.clean_error if cell else None,
                        "clean_wrong",
                        "clean_images",
                        "clean_missing",
                        "clean_error",
                    ),
                }
            )
    return found


def footnotes(matrix: TransferMatrix, *, intervals: bool) -> list[str]:
    """What the maps do not say, one line each."""
    return [*_about(matrix), *_means(summary(matrix), intervals), *matrix.notes]


def _record(rate: Rate | None, hits: str, images: str, missing: str, value: str) -> dict[str, Any]:
    low, high = (rate.interval if rate else None) or (None, None)
    return {
        hits: rate.hits if rate else None,
        images: rate.images if rate else None,
        missing: rate.missing if rate else None,
        value: rate.value if rate else None,
        f"{value}_low": low,
        f"{value}_high": high,
    }


def _maps(matrix: TransferMatrix, short: Summary) -> Iterable[HeatMap]:
    what = "error rate" if matrix.goal == Goal.UNTARGETED else f"top-{matrix.k} matching rate"
    name = f"{matrix.suite}: {matrix.attack.label}, goal {matrix.goal}"
    groups = tuple(matrix.families[model] or model for model in matrix.models)
    for title, values in (
        (f"{name}: {what} in %, rows: source models, columns: target models",
         {pair: cell.rate.value for pair, cell in matrix.cells.items()}),
        ("error rate on the resized clean originals in %",
         {pair: cell.clean_error.value for pair, cell in matrix.cells.items()}),
    ):  # fmt: skip
        yield HeatMap(title, matrix.models, groups, values)
    families = tuple(dict.fromkeys(family for family in matrix.families.values() if family))
    if short.families:
        means = {(each.source, each.target): each.mean.value for each in short.families}
        title = "mean rate by family in %, without the diagonal above"
        yield HeatMap(title, families, ("",) * len(families), means)


def _sources(matrix: TransferMatrix, short: Summary, intervals: bool) -> Presentation:
    fields: list[Field[SourceMean]] = [
        Field("source", "source"),
        Field("family", "family", value=lambda each: matrix.families[each.source]),
        Field("mean", "mean", value=lambda each: each.mean.value, show=percent, numeric=True),
        *([_interval("interval", lambda each: each.mean.interval)] if intervals else []),
        Field("targets", "targets", value=lambda each: each.mean.pairs, numeric=True),
    ]
    title = "strongest sources: mean over the other models"
    return present(fields, short.sources[:SHOWN], title=title)


def _pairs(short: Summary, intervals: bool) -> Presentation:
    fields: list[Field[Asymmetry]] = [
        Field("a", "A", value=lambda each: each.forth.source),
        Field("b", "B", value=lambda each: each.forth.target),
        Field("forth", "A → B", value=lambda each: each.forth.rate.value, show=percent,
              numeric=True),
        *([_interval("forth_interval", lambda each: each.forth.rate.interval)]
          if intervals else []),
        Field("back", "B → A", value=lambda each: each.back.rate.value, show=percent,
              numeric=True),
        *([_interval("back_interval", lambda each: each.back.rate.interval)]
          if intervals else []),
        Field("difference", "difference", show=percent, numeric=True),
    ]  # fmt: skip
    return present(fields, short.asymmetries[:SHOWN], title="most asymmetric pairs")


def _interval(key: str, of: Callable[[Row], tuple[float, float] | None]) -> Field[Row]:
    return Field(key, "95% CI", value=of, show=_range, numeric=True)


def _about(matrix: TransferMatrix) -> Iterable[str]:
    if matrix.goal == Goal.UNTARGETED:
        yield f"rate: wrong predictions of the target model; of {COUNTS[matrix.denominator]}"
    else:
        among = "top 1" if matrix.k == 1 else f"top {matrix.k}"
        yield (
            f"rate: the target class is among the target model's {among} (k = {matrix.k}); of"
            f" {COUNTS[matrix.denominator]}"
        )
    yield (
        "diagonal: the stored success rate of the attack itself"
        if matrix.k == 1
        else "diagonal: the source itself, computed like any other target"
    )
    yield (
        f"sizes: larger images are cropped at the centre, smaller ones get {matrix.border} padding;"
        " clean originals are resized in the same way, and their error is over the attacked images"
    )
    yield f"{len(matrix.cells)} of {len(matrix.models) ** 2} pairs, the diagonal included"


def _means(short: Summary, intervals: bool) -> Iterable[str]:
    parts = [
        f"{where} families {_mean(mean, intervals)}"
        for where, mean in (("within", short.within), ("across", short.across))
        if mean
    ]
    if parts:
        yield f"mean rate of pairs: {', '.join(parts)}"
    if intervals:
        yield (
            "95% intervals: Wilson for a pair; for a mean, Wilson as if it were one pair's rate"
            " (the pairs share their images), over images and not over other models"
        )


def _mean(mean: Mean, intervals: bool) -> str:
    bounds = f"; {_range(mean.interval)}" if intervals and mean.interval else ""
    return f"{percent(mean.value)} ({mean.pairs} pairs{bounds})"


def _range(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * low:.1f}–{100 * high:.1f}"
