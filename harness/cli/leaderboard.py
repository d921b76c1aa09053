"""``harness leaderboard``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format

if TYPE_CHECKING:
    from pathlib import Path

    from harness.analysis.board import SortBy
    from harness.analysis.entry import AccuracyOf
    from harness.report.tables import Format


@click.command()
@database()
@option("--suite", metavar="NAME", help="The suite; by default the latest run's.")
@option(
    "--attack",
    metavar="NAME",
    help="An attack of the suite, by name, label or glob; by default its first that minimises the"
    " distortion.",
)
@option("--goal", metavar="GOAL", help="The adversary's goal; by default random.")
@option(
    "--sort",
    type=click.Choice(["frontier", "accuracy", "distortion"]),
    default="frontier",
    help="What ranks the models.",
)
@option(
    "--accuracy",
    type=click.Choice(["measured", "published"]),
    default="measured",
    help="The accuracy that the frontier is over.",
)
@output_format()
def leaderboard(
    db: Path,
    suite: str | None,
    attack: str | None,
    goal: str | None,
    sort: SortBy,
    accuracy: AccuracyOf,
    format: Format,
) -> None:
    """Accuracy against robustness, model by model.

    The distance is how far a model's mean distortion lies above the trend of the Pareto-optimal
    models at its accuracy. JSON and CSV go to stdout alone, their footnotes to stderr.
    """
    from harness.analysis import board as analysis
    from harness.report import leaderboard as report
    from harness.report.tables import render
    from harness.store.database import reading

    with reading(db) as stored:
        # One snapshot: a run may be writing meanwhile.
        stored.conn.execute("BEGIN")
        board = analysis.leaderboard(
            stored.conn, suite=suite, attack=attack, goal=goal, accuracy=accuracy, sort=sort
        )
    notes = report.footnotes(board)
    if format in ("json", "csv"):
        rows = report.records(board)
        click.echo(render(rows, report.csv_columns(rows), format))
        click.echo("\n".join(notes), err=True)
        return
    text = render(report.text_rows(board), report.TABLE, format, title=report.title(board))
    bullet = "- " if format == "md" else ""
    click.echo(f"{text}\n\n" + "\n".join(f"{bullet}{note}" for note in notes))
