"""A transfer matrix as text or data: heat maps, its summary, records for programs, footnotes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.analysis.transfer.matrix import UNTARGETED, Matrix, Rate
from harness.analysis.transfer.summary import Mean, Summary, summary
from harness.report import heatmap
from harness.report.heatmap import HeatMap
from harness.report.tables import Column, Format, render
from harness.terminal import visible

SHOWN = 8
"""The most sources and pairs that a summary lists."""

COUNTS = {
    "paper": "all attacked images, those of failed attacks too",
    "code": "attacked images whose adapted clean original the target classifies correctly",
}


def text(matrix: Matrix, format: Format, *, intervals: bool) -> str:
    """The matrix for people, as tables or as Markdown; `visible`, with colours of its own."""
    short = summary(matrix)
    parts = [_map(heat, format) for heat in _maps(matrix, short)]
    sources, pairs = _sources(matrix, short), _pairs(short)
    parts += [
        _listed("strongest sources: mean over the other models", sources, format, intervals),
        _listed("most asymmetric pairs", pairs, format, intervals),
    ]
    bullet = "- " if format == "md" else ""
    notes = [visible(f"{bullet}{note}") for note in footnotes(matrix, intervals=intervals)]
    return "\n\n".join([*(part for part in parts if part), "\n".join(notes)])


def records(matrix: Matrix) -> list[dict[str, Any]]:
    """One record for each pair of models, the diagonal too; rates in [0, 1].

    A pair without transfers has None for all its numbers.
    """
    about = {
        "suite": matrix.suite,
        "attack": matrix.attack.label,
        "epsilon": matrix.attack.budget,
        "goal": matrix.goal,
        "k": matrix.k,
        "denominator": matrix.denominator,
        "border": matrix.border,
    }
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


def columns(rows: list[dict[str, Any]]) -> list[Column]:
    """A column for each value of the records."""
    return [Column(key, key) for key in (rows[0] if rows else ())]


def footnotes(matrix: Matrix, *, intervals: bool) -> list[str]:
    """All that the maps do not say, one line each."""
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


def _maps(matrix: Matrix, short: Summary) -> Iterable[HeatMap]:
    what = "error rate" if matrix.goal == UNTARGETED else f"top-{matrix.k} matching rate"
    name = f"{matrix.suite}: {matrix.attack.label}, goal {matrix.goal}"
    groups = tuple(matrix.families[model] or model for model in matrix.models)
    for title, values in (
        (f"{name}: {what} in %, rows: sources, columns: targets",
         {pair: cell.rate.value for pair, cell in matrix.cells.items()}),
        ("error rate on the adapted clean originals in %",
         {pair: cell.clean_error.value for pair, cell in matrix.cells.items()}),
    ):  # fmt: skip
        yield HeatMap(title, matrix.models, groups, values)
    families = tuple(dict.fromkeys(family for family in matrix.families.values() if family))
    if short.families:
        means = {(each.source, each.target): each.mean.value for each in short.families}
        title = "mean rate by family in %, without the diagonal above"
        yield HeatMap(title, families, ("",) * len(families), means)


def _map(heat: HeatMap, format: Format) -> str:
    if format == "md":
        return f"{heat.title}\n\n{render(heatmap.rows(heat), heatmap.columns(heat), 'md')}"
    return heatmap.text(heat)


Row = dict[str, Any]


def _sources(matrix: Matrix, short: Summary) -> tuple[list[Row], list[Column]]:
    rows: list[Row] = [
        {
            "source": each.source,
            "family": matrix.families[each.source],
            "mean": each.mean.value,
            "interval": each.mean.interval,
            "targets": each.mean.pairs,
        }
        for each in short.sources[:SHOWN]
    ]
    return rows, [
        Column("source", "source"),
        Column("family", "family"),
        Column("mean", "mean", _percent, right=True),
        Column("interval", "95 %", _range, right=True),
        Column("targets", "targets", right=True),
    ]


def _pairs(short: Summary) -> tuple[list[Row], list[Column]]:
    rows: list[Row] = [
        {
            "a": each.forth.source,
            "b": each.forth.target,
            "forth": each.forth.rate.value,
            "forth_interval": each.forth.rate.interval,
            "back": each.back.rate.value,
            "back_interval": each.back.rate.interval,
            "difference": each.difference,
        }
        for each in short.asymmetries[:SHOWN]
    ]
    return rows, [
        Column("a", "A"),
        Column("b", "B"),
        Column("forth", "A → B", _percent, right=True),
        Column("forth_interval", "95 %", _range, right=True),
        Column("back", "B → A", _percent, right=True),
        Column("back_interval", "95 %", _range, right=True),
        Column("difference", "difference", _percent, right=True),
    ]


def _listed(
    title: str, table: tuple[list[Row], list[Column]], format: Format, intervals: bool
) -> str:
    rows, every = table
    if not rows:
        return ""
    shown = [column for column in every if intervals or not column.key.endswith("interval")]
    return title + ("\n\n" if format == "md" else "\n") + render(rows, shown, format)


def _about(matrix: Matrix) -> Iterable[str]:
    if matrix.goal == UNTARGETED:
        yield f"rate: wrong predictions of the target; of {COUNTS[matrix.denominator]}"
    else:
        among = "first" if matrix.k == 1 else f"first {matrix.k}"
        yield (
            f"rate: the goal's class is the target's {among} (k = {matrix.k}); of"
            f" {COUNTS[matrix.denominator]}"
        )
    yield (
        "diagonal: the stored success of the attack itself"
        if matrix.k == 1
        else "diagonal: the source itself, computed like any other target"
    )
    yield (
        f"sizes: larger pictures are cut at the centre, smaller ones get a {matrix.border} border;"
        " clean originals are adapted alike, and their error is over the attacked images"
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
            "95 % intervals: Wilson for a pair; for a mean, Wilson as if it were one pair's rate"
            " (the pairs share their images), over images and not over other models"
        )


def _mean(mean: Mean, intervals: bool) -> str:
    bounds = f"; {_range(mean.interval)}" if intervals and mean.interval else ""
    return f"{_percent(mean.value)} ({mean.pairs} pairs{bounds})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _range(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * low:.1f}–{100 * high:.1f}"
