"""``harness leaderboard``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format
from harness.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from harness.analysis.board import Board, ImagesOf, SortBy
    from harness.analysis.entry import AccuracyOf
    from harness.analysis.optimality import Contest
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
@option(
    "--images",
    type=click.Choice(["all", "common"]),
    default="all",
    help="Whose outcomes count: those of all images, or of the ones that every model of the board"
    " classifies correctly. Accuracies stay those of all images.",
)
@click.option(
    "--attacks",
    is_flag=True,
    # No variable of the environment: HARNESS_ATTACKS is a run's choice of attacks.
    help="Compare the suite's attacks instead of its models; by default under all their goals.",
)
@output_format()
@click.pass_context
def leaderboard(
    context: click.Context,
    db: Path,
    suite: str | None,
    attack: str | None,
    goal: str | None,
    sort: SortBy,
    accuracy: AccuracyOf,
    images: ImagesOf,
    attacks: bool,
    format: Format,
) -> None:
    """Accuracy against robustness, model by model.

    The distance is how far a model's mean distortion lies above the trend of the Pareto-optimal
    models at its accuracy. With --attacks it is one row an attack and goal: how often it succeeds,
    and how near it comes to the smallest distortions that any stored attack of its norm found. JSON
    and CSV go to stdout alone, their footnotes to stderr.
    """
    if attacks:
        _refuse_model_options(context)
        _compare_attacks(db, suite, goal, format)
        return
    from harness.analysis import board as analysis
    from harness.report import leaderboard as report
    from harness.store.database import reading

    with reading(db) as stored:
        # One snapshot: a run may be writing meanwhile.
        stored.conn.execute("BEGIN")
        board = analysis.leaderboard(
            stored.conn,
            suite=suite,
            attack=attack,
            goal=goal,
            accuracy=accuracy,
            sort=sort,
            images=images,
        )
    _print(report, board, format)


def _refuse_model_options(context: click.Context) -> None:
    """Options that say how models are compared; a default from the environment may stay."""
    for name in ("attack", "sort", "accuracy", "images"):
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise ConfigError(
                "--attacks compares all attacks of the suite, not its models",
                where=f"--{name}",
                hint="leave out one of the two",
            )


def _compare_attacks(db: Path, suite: str | None, goal: str | None, format: Format) -> None:
    from harness.analysis.optimality import contest
    from harness.report import attacks as report
    from harness.store.database import reading

    with reading(db) as stored:
        # One snapshot: a run may be writing meanwhile.
        stored.conn.execute("BEGIN")
        found = contest(stored.conn, suite=suite, goal=goal)
    _print(report, found, format)


def _print(report: ModuleType, found: Board | Contest, format: Format) -> None:
    """Print what was found as its module of `harness.report` shows it."""
    from harness.report.tables import render

    notes = report.footnotes(found)
    if format in ("json", "csv"):
        rows = report.records(found)
        click.echo(render(rows, report.csv_columns(rows), format))
        click.echo("\n".join(notes), err=True)
        return
    text = render(report.text_rows(found), report.columns(found), format, title=report.title(found))
    bullet = "- " if format == "md" else ""
    click.echo(f"{text}\n\n" + "\n".join(f"{bullet}{note}" for note in notes))
