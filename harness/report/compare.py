"""Two models on the same images: paired differences."""

from __future__ import annotations

from collections.abc import Callable

from harness.analysis.compare import EXACT, Compared, Comparison, Difference
from harness.analysis.statistics import Range
from harness.report.presentation import Field, Presentation, present
from harness.report.values import number, percent, shown


def presentation(found: Comparison) -> Presentation:
    """One row per number of both models; rates in [0, 1], differences are first minus second."""
    return present(
        _fields(found),
        found.rows,
        title=f"{found.suite}: {found.first} and {found.second}",
        notes=footnotes(found),
    )


def _fields(found: Comparison) -> list[Field[Compared]]:
    return [
        Field("what", "metric", text=_what, data=False),
        Field("kind"),
        Field("title"),
        Field("goal", "goal"),
        Field("norm"),
        Field("images", "images", numeric=True),
        Field("first_model", value=lambda _: found.first),
        Field("second_model", value=lambda _: found.second),
        Field("first", found.first, text=lambda row: _value(row, row.first), numeric=True),
        Field("second", found.second, text=lambda row: _value(row, row.second), numeric=True),
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
            value=lambda row: shown(row.discordant, lambda only: only.p),
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
    return f"{row.title} {'success rate' if row.kind == 'success' else row.norm or ''}".rstrip()


def _ranged(value: float, interval: Range | None, rate: bool) -> str:
    """A difference with its interval; rates in percentage points."""

    def signed(size: float) -> str:
        # Adding 0 makes a negative zero positive.
        return f"{round(100 * size, 1) + 0:+.1f}" if rate else number(size, "+")

    text = signed(value)
    return text if interval is None else f"{text} ({signed(interval[0])} to {signed(interval[1])})"


def footnotes(found: Comparison) -> list[str]:
    """What the columns do not say, one line each."""
    return [
        f"dataset {found.dataset}; images: those that both models have: with a prediction, with a"
        " verdict, broken (distortions), or measured; distortions in pixel space [0, 1]",
        f"differences: {found.first} minus {found.second}, of rates in percentage points; 95%"
        " percentile intervals of a bootstrap over the images",
        "only one: images that only the first, only the second classifies correctly, or breaks"
        f" under the attack; p: McNemar's test on these, exact up to {EXACT} of them",
        *found.notes,
    ]
