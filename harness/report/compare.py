"""Two models on the same images: paired differences."""

from __future__ import annotations

from collections.abc import Callable

from harness.analysis.compare import Compared, Comparison, Difference
from harness.analysis.indicators import Indicator
from harness.analysis.mcnemar import EXACT
from harness.api.statistics import Range
from harness.report.accuracies import indicator_notes
from harness.report.presentation import Field, Presentation, ResultTable, present
from harness.report.values import DOUBTFUL, number, percent, points, shown


def presentation(found: Comparison) -> Presentation:
    """One row per number of both models; rates in [0, 1], differences are first minus second."""
    return present(
        _fields(found),
        found.rows,
        title=f"{found.suite}: {found.first} and {found.second}",
        notes=footnotes(found),
        table=ResultTable(
            "comparison",
            found.suite,
            {"models": [found.first, found.second], "dataset": found.dataset},
            more={
                "indicators": {
                    model: list(dict.fromkeys(each.name for each in _of(found, model)))
                    for model in (found.first, found.second)
                }
            },
        ),
    )


def _of(found: Comparison, model: str) -> list[Indicator]:
    return [each for each in found.indicators if each.model == model]


def _marked(found: Comparison, model: str) -> str:
    return f"{model} {DOUBTFUL}" if _of(found, model) else model


def _fields(found: Comparison) -> list[Field[Compared]]:
    first, second = (_marked(found, model) for model in (found.first, found.second))
    return [
        Field("what", "metric", text=_what, repeated=True, data=False),
        Field("kind"),
        Field("title"),
        Field("goal", "goal", repeated=True),
        Field("norm"),
        Field("images", "images", numeric=True),
        Field("first_model", value=lambda _: found.first),
        Field("second_model", value=lambda _: found.second),
        Field("first", first, text=lambda row: _value(row, row.first), numeric=True),
        Field("second", second, text=lambda row: _value(row, row.second), numeric=True),
        Field(
            "difference",
            "difference (95% CI)",
            value=lambda row: shown(row.difference, lambda gap: gap.mean),
            text=_mean,
            numeric=True,
        ),
        *_range_fields("difference", lambda gap: gap.mean_range),
        Field(
            "median_difference",
            "median difference (95% CI)",
            value=lambda row: shown(row.difference, lambda gap: gap.median),
            text=_median,
            numeric=True,
        ),
        *_range_fields("median_difference", lambda gap: gap.median_range),
        Field("discordant", "only one", text=_discordant, numeric=True, data=False),
        Field("only_first", value=lambda row: shown(row.discordant, lambda only: only.first)),
        Field("only_second", value=lambda row: shown(row.discordant, lambda only: only.second)),
        Field(
            "p",
            "p",
            show="{:.2g}".format,
            numeric=True,
        ),
        Field("suite", value=lambda _: found.suite),
        Field("dataset", value=lambda _: found.dataset),
    ]


def _range_fields(key: str, of: Callable[[Difference], Range | None]) -> list[Field[Compared]]:
    def bound(row: Compared, end: int) -> float | None:
        interval = of(row.difference) if row.difference else None
        return interval[end] if interval else None

    return [
        Field(f"{key}_low", value=lambda row: bound(row, 0)),
        Field(f"{key}_high", value=lambda row: bound(row, 1)),
    ]


def _value(row: Compared, value: float | None) -> str | None:
    return shown(value, percent if row.discordant else number)


def _mean(row: Compared) -> str | None:
    rate = row.discordant is not None
    return shown(row.difference, lambda gap: _ranged(gap.mean, gap.mean_range, rate))


def _median(row: Compared) -> str | None:
    """Of rates there is none."""
    if row.discordant is not None:
        return None
    return shown(row.difference, lambda gap: _ranged(gap.median, gap.median_range, False))


def _discordant(row: Compared) -> str | None:
    return shown(row.discordant, lambda only: f"{only.first} / {only.second}")


def _what(row: Compared) -> str:
    if row.kind == "accuracy":
        return "top-1"
    rates = {"success": "success rate", "robust accuracy": "robust accuracy"}
    return f"{row.title} {rates.get(row.kind, row.norm or '')}".rstrip()


def _ranged(value: float, interval: Range | None, rate: bool) -> str:
    """A difference with its interval; rates in percentage points."""

    def signed(size: float) -> str:
        return points(size) if rate else number(size, "+")

    text = signed(value)
    return text if interval is None else f"{text} ({signed(interval[0])} to {signed(interval[1])})"


def footnotes(found: Comparison) -> list[str]:
    """What the columns do not say, one line each."""
    return [
        f"dataset {found.dataset}; images: those that both models have: with a prediction, with a"
        " verdict, with an outcome (robust accuracy, over misclassified images too), broken"
        " (distortions), or measured; distortions in pixel space [0, 1]",
        f"differences: {found.first} minus {found.second}, of rates in percentage points; 95%"
        " percentile intervals of a bootstrap over the images",
        "only one: images that only the first, only the second classifies correctly, breaks under"
        f" the attack, or is robust with; p: McNemar's test on these, exact up to {EXACT} of them;"
        " of distortions Wilcoxon's signed-rank test over the images that both were attacked on,"
        " failures as infinite",
        *indicator_notes(found.indicators),
        *found.notes,
    ]
