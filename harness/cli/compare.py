"""``harness compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format
from harness.cli.verbs import verb
from harness.terminal import echo

if TYPE_CHECKING:
    from pathlib import Path

    from harness.report.tables import Format


@verb("compare")
@click.argument("first", metavar="MODEL")
@click.argument("second", metavar="MODEL")
@database()
@option("--suite", metavar="NAME", help="Suite; default: that of the latest run.")
@option(
    "--attack",
    metavar="NAME",
    help="Attack of the suite, by name, label or glob; default: all, and the measurements.",
)
@option("--goal", metavar="GOAL", help="Adversary's goal; default: all.")
@output_format()
def compare(
    first: str,
    second: str,
    db: Path,
    suite: str | None,
    attack: str | None,
    goal: str | None,
    format: Format,
) -> None:
    """Paired differences of accuracy, success, distortion and scores, with bootstrap intervals and
    McNemar's test. With --format json or csv the footnotes go to stderr.
    """
    from harness.analysis.compare import compare as compared
    from harness.report import compare as report
    from harness.report.tables import render
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        found = compared(stored.conn, first, second, suite=suite, attack=attack, goal=goal)
    notes = report.footnotes(found)
    if format in ("json", "csv"):
        rows = report.records(found)
        echo(render(rows, report.csv_columns(rows), format))
        echo("\n".join(notes), err=True)
        return
    text = render(report.text_rows(found), report.columns(found), format, title=report.title(found))
    bullet = "- " if format == "md" else ""
    echo(f"{text}\n\n" + "\n".join(f"{bullet}{note}" for note in notes))
