"""``harness findings``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format
from harness.cli.verbs import verb
from harness.terminal import echo, visible

if TYPE_CHECKING:
    from pathlib import Path

    from harness.analysis.findings import Verdict
    from harness.report.tables import Format

COLOURS: dict[Verdict, str] = {
    "holds": "green",
    "does not hold": "red",
    "not enough data": "yellow",
}


@verb("findings")
@database()
@option("--suite", metavar="NAME", help="Suite; default: that of the latest run.")
@output_format()
def findings(db: Path, suite: str | None, format: Format) -> None:
    """Each claim has a figure, its 95% interval and a verdict: holds, does not hold, or not enough
    data, which also means an interval that lies on both sides of the claim. The footnotes explain
    the rule. Verdicts are results: the exit code is 0 whatever they are. With --format json or csv
    the footnotes go to stderr.
    """
    from harness.analysis import findings as analysis
    from harness.report import findings as report
    from harness.report.tables import render
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        evidence = analysis.gather(stored.conn, suite)
    found = analysis.check(evidence)
    notes = "\n".join(report.footnotes(found))
    if format in ("json", "csv"):
        rows = report.records(found)
        echo(render(rows, report.csv_columns(rows), format))
        if format == "csv":
            echo(notes, err=True)
        return
    title = f"{evidence.suite}: the study's claims"
    text = render(report.text_rows(found), report.TABLE, format, title=title)
    whole = visible(f"{text}\n\n{notes}")
    echo(_coloured(whole, report.MARKS) if format == "table" else whole, coloured=True)


def _coloured(text: str, marks: dict[Verdict, str]) -> str:
    """The verdicts in colour; `echo` takes colours away where there is no terminal."""
    import os

    if os.environ.get("NO_COLOR"):
        return text
    for verdict, mark in marks.items():
        text = text.replace(f"{mark} {verdict}", click.style(f"{mark} {verdict}", COLOURS[verdict]))
    return text
