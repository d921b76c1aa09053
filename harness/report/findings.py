"""The findings: a verdict on each claim, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.findings import Found
from harness.report.presentation import Cell, Field, Presentation, ResultTable, present

MARKS = {"holds": "✓", "does not hold": "✗", "not enough data": "?", "error": "!"}
"""Before the words, so that a column of them is read at a glance."""

COLOURS = {
    "holds": "green",
    "does not hold": "red",
    "not enough data": "yellow",
    "error": "red",
}

Numbered = tuple[int, Found]

FIELDS: tuple[Field[Numbered], ...] = (
    Field("number", "#", text=lambda row: str(row[0]), numeric=True, data=False),
    Field("name", value=lambda row: row[1].name),
    Field("title", "claim", value=lambda row: row[1].title),
    Field("claim", value=lambda row: row[1].claim),
    Field("source", value=lambda row: row[1].source),
    Field("plugin", "plugin", value=lambda row: row[1].plugin),
    Field("distribution", value=lambda row: row[1].distribution),
    Field(
        "verdict",
        "verdict",
        value=lambda row: row[1].verdict,
        text=lambda row: _verdict(row[1].verdict),
        numeric=True,
    ),
    Field("figure", "figure", value=lambda row: row[1].figure),
    Field("interval", "95% CI", text=lambda row: _interval(row[1]), data=False),
    Field("low", value=lambda row: row[1].interval[0] if row[1].interval else None),
    Field("high", value=lambda row: row[1].interval[1] if row[1].interval else None),
    Field("details", value=lambda row: list(row[1].details)),
)
"""Rates are in [0, 1]; the numbers are those of the footnotes."""


def presentation(suite: str, found: Sequence[Found], notes: Sequence[str] = ()) -> Presentation:
    """One row per claim; in the footnotes the claims in full, and ``notes`` on their evidence."""
    return present(
        FIELDS,
        enumerate(found, 1),
        title=f"{suite}: claims of the installed plugins",
        notes=[*footnotes(found), *notes],
        table=ResultTable("findings", suite),
    )


def _verdict(verdict: str) -> Cell:
    return Cell(f"{MARKS[verdict]} {verdict}", verdict, style=COLOURS[verdict])


def _interval(finding: Found) -> str | None:
    if finding.interval is None:
        return None
    low, high = finding.interval
    return f"{low:.3g} to {high:.3g}"


def footnotes(found: Sequence[Found]) -> list[str]:
    """The claims in full, their sources, the rules and their parts: one line each."""
    if not found:
        return ["no installed plugin makes a claim"]
    lines = [
        "rates are in [0, 1]; the 95% interval is that of the number that decides; not enough data:"
        " results are missing, or the interval lies on both sides of the claim",
        "",
    ]
    for number, finding in enumerate(found, 1):
        lines.append(f"{number}. {finding.claim} ({finding.source})")
        lines += [f"   - {detail}" for detail in finding.details]
    return lines
