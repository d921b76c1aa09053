"""``harness leaderboard``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format
from harness.cli.printing import show
from harness.cli.verbs import verb
from harness.errors import ConfigError
from harness.terminal import echo

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from harness.analysis.columns import ImagesOf, SortBy
    from harness.analysis.leaderboard import Leaderboard
    from harness.analysis.place import AccuracyOf
    from harness.report.tables import Format


@verb("leaderboard")
@database()
@option("--suite", metavar="NAME", help="Suite; default: that of the latest run.")
@option(
    "--attack",
    metavar="NAME",
    help="Attack of the suite, by name, label or glob; default: the first one that minimises the"
    " distortion and has the goal.",
)
@option("--goal", metavar="GOAL", help="Adversary's goal; default: random.")
@option(
    "--sort",
    type=click.Choice(["frontier", "accuracy", "distortion", "success"]),
    default="frontier",
    help="Ranking criterion; success: lowest success rate of the attack first.",
)
@option(
    "--accuracy",
    type=click.Choice(["measured", "published"]),
    default="measured",
    help="Accuracy used for the frontier.",
)
@option(
    "--images",
    type=click.Choice(["all", "common"]),
    default="all",
    help="Images whose outcomes count: all, or those that every model of the leaderboard classifies"
    " correctly. Accuracies are always over all images.",
)
@option(
    "--frontier",
    metavar="paper|fitted|FILE",
    default="fitted",
    help="Fit that residuals are measured from: the leaderboard's own, the published one of the"
    " paper, or one from a YAML or JSON file, {metric: {a, b, low, high}}.",
)
@option(
    "--intervals",
    is_flag=True,
    help="Show 95% intervals of the residuals and how often each model is on the frontier.",
)
@option(
    "--replicates",
    type=click.IntRange(min=40),
    default=1000,
    metavar="N",
    help="Bootstrap replicates for the intervals.",
)
@option(
    "--joint",
    is_flag=True,
    help="Multi-metric leaderboard: every robustness metric with its own frontier (attacks that"
    " minimise the distortion, CLEVER, divergence); models are ranked by their mean rank.",
)
@click.option(
    "--attacks",
    is_flag=True,
    # No variable of the environment: HARNESS_ATTACKS is a run's choice of attacks.
    help="Compare the suite's attacks instead of its models; default: for all their goals.",
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
    frontier: str,
    intervals: bool,
    replicates: int,
    joint: bool,
    attacks: bool,
    format: Format,
) -> None:
    """The frontier residual is how far a model's mean distortion lies above the trend of the
    Pareto-optimal models at its accuracy. With --attacks, one row per attack and goal: how often it
    succeeds, and how close it gets to the smallest distortions that any stored attack of its norm
    found. With --format json or csv the footnotes go to stderr.
    """
    if attacks:
        _refuse(
            context,
            *("attack", "sort", "accuracy", "images", "frontier", "intervals", "replicates"),
            *("joint",),
            because="--attacks compares all attacks of the suite, not its models",
        )
        _compare_attacks(db, suite, goal, format)
        return
    if joint:
        _refuse(context, "attack", "sort", because="--joint ranks the models under all attacks")
    from harness.analysis import leaderboard as analysis
    from harness.analysis.columns import Choice
    from harness.analysis.reference import references
    from harness.analysis.results import Results
    from harness.plugins import installed
    from harness.report import leaderboard as report
    from harness.store.database import snapshot

    choice = Choice(
        attack=attack,
        goal=goal,
        accuracy=accuracy,
        images=images,
        sort=sort,
        references=references(frontier),
        replicates=replicates if intervals else None,
    )
    with snapshot(db) as stored:
        results = Results(stored.conn).suite(suite)
        if joint:
            board = analysis.joint(results, choice)
        else:
            # People see no metrics besides the leaderboard's own numbers, which need no plugin.
            catalog = installed() if format == "json" else None
            board = analysis.leaderboard(results, choice, catalog)
    if joint:
        _print_joint(board, format)
    else:
        _print(report, board, format)


def _refuse(context: click.Context, *names: str, because: str) -> None:
    """Refuse options that this leaderboard does not use, unless the environment sets them."""
    for name in names:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise ConfigError(because, where=f"--{name}", hint="leave out one of the two")


def _compare_attacks(db: Path, suite: str | None, goal: str | None, format: Format) -> None:
    from harness.analysis.optimality import contest
    from harness.analysis.results import Results
    from harness.report.attacks import presentation
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        found = contest(Results(stored.conn).suite(suite), goal)
    show(presentation(found), format)


def _print(report: ModuleType, found: Leaderboard, format: Format) -> None:
    """Print what was found as its module of `harness.report` shows it."""
    from harness.report.tables import render

    if format in ("json", "csv"):
        rows = report.records(found)
        echo(render(rows, report.csv_columns(rows), format))
        echo("\n".join(report.footnotes(found)), err=True)
        return
    _print_text(report, found, format)


def _print_joint(board: Leaderboard, format: Format) -> None:
    from harness.report import joint as report
    from harness.report.tables import Column, render

    if format == "json":
        echo(json.dumps(report.document(board), indent=2, allow_nan=False))
    elif format == "csv":
        rows = report.csv_rows(board)
        names = dict.fromkeys(name for row in rows for name in row)
        echo(render(rows, [Column(name, name) for name in names], format))
    else:
        _print_text(report, board, format)
        return
    echo("\n".join(report.footnotes(board)), err=True)


def _print_text(report: ModuleType, found: object, format: Format) -> None:
    from harness.report.tables import render

    text = render(report.text_rows(found), report.columns(found), format, title=report.title(found))
    notes = report.footnotes(found)
    bullet = "- " if format == "md" else ""
    echo(f"{text}\n\n" + "\n".join(f"{bullet}{note}" for note in notes))
