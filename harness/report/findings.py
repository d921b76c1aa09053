"""The findings as text or data: columns for people, records for programs, and footnotes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.analysis.findings import Finding, Verdict
from harness.report.tables import Column

MARKS: dict[Verdict, str] = {"holds": "✓", "does not hold": "✗", "not enough data": "?"}
"""Before the words, so that a column of them is read at a glance."""

TABLE = (
    Column("number", "#", right=True),
    Column("title", "claim"),
    Column("verdict", "verdict", right=True),
    Column("figure", "figure"),
    Column("interval", "95 %"),
)
"""What people see; `text_rows` has these keys."""


def text_rows(found: Sequence[Finding]) -> list[dict[str, str | None]]:
    """The rows for tables and Markdown; the numbers are those of the footnotes."""
    return [
        {
            "number": str(number),
            "title": finding.title,
            "verdict": f"{MARKS[finding.verdict]} {finding.verdict}",
            "figure": finding.figure,
            "interval": _interval(finding),
        }
        for number, finding in enumerate(found, 1)
    ]


def _interval(finding: Finding) -> str | None:
    if finding.interval is None:
        return None
    low, high = finding.interval
    return f"{low:.3g} to {high:.3g}"


def records(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """The findings as JSON-like data; rates in [0, 1]."""
    return [
        {
            "name": finding.name,
            "title": finding.title,
            "claim": finding.claim,
            "source": finding.source,
            "verdict": finding.verdict,
            "figure": finding.figure,
            "low": finding.interval[0] if finding.interval else None,
            "high": finding.interval[1] if finding.interval else None,
            "details": list(finding.details),
        }
        for finding in found
    ]


def csv_columns(rows: Sequence[dict[str, Any]]) -> list[Column]:
    """A column for each plain value of the records; the details are footnotes."""
    return [Column(key, key) for key in (rows[0] if rows else ()) if key != "details"]


def footnotes(found: Sequence[Finding]) -> list[str]:
    """The claims in full, where they stand, what decides, and the parts: one line each."""
    lines = [
        "rates are in [0, 1]; the interval, 95 %, is that of the number that decides; not enough"
        " data: results are missing, or the interval lies on both sides of the claim",
        "",
    ]
    for number, finding in enumerate(found, 1):
        lines.append(f"{number}. {finding.claim} ({finding.source})")
        lines += [f"   - {detail}" for detail in finding.details]
    return lines
