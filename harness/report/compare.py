"""Two models beside each other as text or data."""

from __future__ import annotations

from typing import Any

from harness.analysis.bootstrap import Range
from harness.analysis.compare import EXACT, Compared, Comparison
from harness.report.tables import Column
from harness.report.values import number, percent, shown


def columns(found: Comparison) -> list[Column]:
    """What people see; `text_rows` has these keys."""
    return [
        Column("what", "what"),
        Column("goal", "goal"),
        Column("images", "images", right=True),
        Column("first", found.first, right=True),
        Column("second", found.second, right=True),
        Column("difference", "difference (95 %)", right=True),
        Column("median", "median difference (95 %)", right=True),
        Column("discordant", "only one", right=True),
        Column("p", "p", right=True),
    ]


def text_rows(found: Comparison) -> list[dict[str, str | None]]:
    """The rows for tables and Markdown."""
    return [_text_row(row) for row in found.rows]


def _text_row(row: Compared) -> dict[str, str | None]:
    rate, only = row.discordant is not None, row.discordant
    show = percent if rate else number
    return {
        "what": _what(row),
        "goal": row.goal,
        "images": str(row.images),
        "first": shown(row.first, show),
        "second": shown(row.second, show),
        "difference": shown(row.difference, lambda gap: _ranged(gap.mean, gap.mean_range, rate)),
        "median": None
        if rate
        else shown(row.difference, lambda gap: _ranged(gap.median, gap.median_range, rate)),
        "discordant": shown(only, lambda only: f"{only.first} / {only.second}"),
        "p": shown(only, lambda only: f"{only.p:.2g}"),
    }


def _what(row: Compared) -> str:
    if row.kind == "accuracy":
        return "top-1"
    return f"{row.title} {'success' if row.kind == 'success' else row.norm or ''}".rstrip()


def _ranged(value: float, interval: Range | None, rate: bool) -> str:
    """A difference with its interval; rates in percentage points."""

    def signed(size: float) -> str:
        # Adding 0 makes a negative zero positive.
        return f"{round(100 * size, 1) + 0:+.1f}" if rate else number(size, "+")

    text = signed(value)
    return text if interval is None else f"{text} ({signed(interval[0])} to {signed(interval[1])})"


def records(found: Comparison) -> list[dict[str, Any]]:
    """The rows as JSON-like data; rates in [0, 1], differences are first minus second."""
    return [_record(found, row) for row in found.rows]


def _record(found: Comparison, row: Compared) -> dict[str, Any]:
    gap, only = row.difference, row.discordant
    low, high = (gap.mean_range if gap else None) or (None, None)
    less, more = (gap.median_range if gap else None) or (None, None)
    return {
        "kind": row.kind,
        "title": row.title,
        "goal": row.goal,
        "norm": row.norm,
        "images": row.images,
        "first_model": found.first,
        "second_model": found.second,
        "first": row.first,
        "second": row.second,
        "difference": gap.mean if gap else None,
        "difference_low": low,
        "difference_high": high,
        "median_difference": gap.median if gap else None,
        "median_difference_low": less,
        "median_difference_high": more,
        "only_first": only.first if only else None,
        "only_second": only.second if only else None,
        "p": only.p if only else None,
        "suite": found.suite,
        "dataset": found.dataset,
    }


def csv_columns(rows: list[dict[str, Any]]) -> list[Column]:
    """A column for each value of the records."""
    return [Column(key, key) for key in (rows[0] if rows else ())]


def title(found: Comparison) -> str:
    """What the rows are of, on one line."""
    return f"{found.suite}: {found.first} and {found.second}"


def footnotes(found: Comparison) -> list[str]:
    """All that the columns do not say, one line each."""
    return [
        f"data set {found.dataset}; images: those that both models have: with a prediction, with a"
        " verdict, broken (distortions), or measured; distortions in pixel space [0, 1]",
        f"differences: {found.first} minus {found.second}, of rates in percentage points; 95 %"
        " percentile intervals of a bootstrap over the images",
        "only one: images that only the first, only the second classifies correctly, or breaks"
        f" under the attack; p: McNemar's test on these, exact up to {EXACT} of them",
        *found.notes,
    ]
