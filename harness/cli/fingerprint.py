"""``harness fingerprint``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format
from harness.terminal import echo

if TYPE_CHECKING:
    from pathlib import Path

    from harness.analysis.transfer.matrix import Border
    from harness.report.tables import Format


@click.command()
@click.argument("model")
@database()
@option("--suite", metavar="NAME", help="The suite; by default the latest run's.")
@option(
    "--border",
    type=click.Choice(["white", "grey"]),
    help="What surrounds pictures smaller than the model's; by default the suite's choice.",
)
@output_format()
def fingerprint(
    model: str, db: Path, suite: str | None, border: Border | None, format: Format
) -> None:
    """Which family MODEL behaves like, from labels alone.

    MODEL is a model of the suite, taken as a black box: only how often it is fooled by the other
    models' adversarial images counts, not its own attacks, logits or entry in the registry.
    """
    from harness.analysis.transfer.fingerprint import fingerprint as analysed
    from harness.report import fingerprint as report
    from harness.report.tables import render
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        found = analysed(stored.conn, model, suite=suite, border=border)
    notes = report.footnotes(found)
    rows = report.records(found)
    if format in ("json", "csv"):
        echo(render(rows, report.csv_columns(), format))
        echo("\n".join(notes), err=True)
        return
    bullet = "- " if format == "md" else ""
    text = render(rows, report.COLUMNS, format)
    echo(f"{report.title(found)}\n\n{text}\n\n" + "\n".join(f"{bullet}{note}" for note in notes))
