"""``harness leaderboard``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format
from harness.cli.printing import show
from harness.cli.verbs import verb
from harness.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.analysis.columns import Choice, ImagesOf, SortBy
    from harness.analysis.place import AccuracyOf
    from harness.analysis.results import SuiteResults
    from harness.report.presentation import Format, Presentation


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
        _refuse(context, OF_MODELS, "--attacks compares all attacks of the suite, not its models")
        show(_attacks(db, suite, goal), format)
        return
    if joint:
        _refuse(context, OF_ONE, "--joint ranks the models under all attacks")
    from harness.analysis.columns import Choice
    from harness.analysis.reference import references
    from harness.analysis.results import Results
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
        found = _joint(results, choice) if joint else _single(results, choice, format)
    show(found, format)


OF_ONE = ("attack", "sort")
"""Options of the leaderboard of one attack."""

OF_MODELS = (*OF_ONE, "accuracy", "images", "frontier", "intervals", "replicates", "joint")
"""Options of the leaderboards of models."""


def _refuse(context: click.Context, names: Sequence[str], because: str) -> None:
    """Refuse options that this leaderboard does not use, unless the environment sets them."""
    for name in names:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise ConfigError(because, where=f"--{name}", hint="leave out one of the two")


def _attacks(db: Path, suite: str | None, goal: str | None) -> Presentation:
    from harness.analysis.optimality import contest
    from harness.analysis.results import Results
    from harness.report.attacks import presentation
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        return presentation(contest(Results(stored.conn).suite(suite), goal))


def _joint(results: SuiteResults, choice: Choice) -> Presentation:
    from harness.analysis.leaderboard import joint
    from harness.report.joint import presentation

    return presentation(joint(results, choice))


def _single(results: SuiteResults, choice: Choice, format: Format) -> Presentation:
    from harness.analysis.leaderboard import leaderboard
    from harness.plugins import installed
    from harness.report.leaderboard import presentation

    # People see no metrics besides the leaderboard's own numbers, which need no plugin.
    catalog = installed() if format == "json" else None
    return presentation(leaderboard(results, choice, catalog))
