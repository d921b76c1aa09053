"""``harness leaderboard``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import at_option, database, option, output_format, points_option
from harness.cli.printing import show
from harness.cli.verbs import verb
from harness.cli.warned import note_changed_code
from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.analysis.columns import Choice, ImagesOf, SortBy
    from harness.analysis.multiple import Control
    from harness.analysis.place import AccuracyOf
    from harness.analysis.results import SuiteResults
    from harness.api.results import PointsOf
    from harness.report.presentation import Format, Presentation


@verb("leaderboard")
@database()
@option("--suite", metavar="NAME", help="Suite; default: that of the latest run.")
@option(
    "--attack",
    metavar="NAME|worst:NAME,...",
    help="Attack of the suite, by name, label or glob, or the worst case of several: worst:a*,b;"
    " default: the first one that minimises the distortion and has the goal.",
)
@option("--goal", metavar="GOAL", help="Adversary's goal; default: random.")
@at_option()
@option(
    "--sort",
    type=click.Choice(["frontier", "accuracy", "distortion", "success", "robust"]),
    help="Ranking criterion; success: lowest success rate of the attack first. Default: robust"
    " (accuracy) under a fixed budget, else frontier.",
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
    metavar="fitted|NAME|FILE",
    default="fitted",
    help="Fit that residuals are measured from: the leaderboard's own, one that a plugin offers by"
    " name, or one from a YAML or JSON file, {metric: {a, b, low, high}}.",
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
    "--regimes",
    is_flag=True,
    help="Also fit a frontier to the models of each training regime, and show each model's residual"
    " from its own with its 95% interval.",
)
@option(
    "--joint",
    is_flag=True,
    help="Multi-metric leaderboard: every robustness metric with its own frontier (attacks that"
    " minimise the distortion, scores of measurements); models are ranked by their mean rank.",
)
@click.option(
    "--attacks",
    is_flag=True,
    # No variable of the environment: HARNESS_ATTACKS is a run's choice of attacks.
    help="Compare the suite's attacks instead of its models; default: for all their goals.",
)
@option(
    "--ranks",
    type=click.Choice(["holm", "bh"]),
    help="Test every pair of models on the same images and show the ranks that the tests leave"
    " each; p-values adjusted by Holm (any false difference) or Benjamini-Hochberg (their share).",
)
@option(
    "--seeds",
    is_flag=True,
    help="One row per model with several training seeds: means over seeds and images, with the"
    " variance that each of the two brings.",
)
@points_option()
@option(
    "--passes",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --attacks: also show the optimality within N forward and backward passes, of attacks"
    " whose queries are stored.",
)
@option(
    "--with",
    "published",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Published leaderboard to show beside the measured numbers, joined by name: RobustBench's"
    " JSON (a file or folder of its model_info), timm's CSV of results, or CSV, YAML or JSON with"
    " name, top1 and robust in percent. May be repeated.",
)
@output_format()
@click.pass_context
def leaderboard(
    context: click.Context,
    /,
    db: Path,
    suite: str | None,
    goal: str | None,
    attacks: bool,
    joint: bool,
    ranks: Control | None,
    seeds: bool,
    points: PointsOf,
    passes: int | None,
    published: tuple[Path, ...],
    format: Format,
    **chosen: Any,
) -> None:
    """The frontier residual is how far a model's mean distortion lies above the trend of the
    Pareto-optimal models at its accuracy. With --attacks, one row per attack and goal: how often it
    succeeds, and how close it gets to the smallest distortions that any stored attack of its norm
    found. With --format json or csv the footnotes go to stderr.
    """
    if attacks:
        _refuse(context, "attacks")
        show(_attacks(db, suite, goal, points, passes).of(db, points=points), format)
        return
    given = {"models": True, "joint": joint, "ranks": ranks, "seeds": seeds}
    _refuse(context, *(name for name, is_given in given.items() if is_given))
    from harness.analysis.results import Results
    from harness.store.database import snapshot

    choice = _choice(goal=goal, **chosen)
    with snapshot(db) as stored:
        note_changed_code(stored)
        results = Results(stored.conn, points).suite(suite)
        if ranks:
            found = _ranks(results, choice, ranks)
        elif seeds:
            found = _seeds(results, choice)
        elif joint:
            found = _joint(results, choice)
        else:
            found = _single(results, choice, format)
        if published:
            found = _beside(found, results, published)
    show(found.of(db, points=points), format)


OF_ATTACKS = ("passes",)
"""Options of the leaderboard of attacks."""

OF_ONE = ("attack", "sort", "at", "regimes")
"""Options of the leaderboard of one attack."""

OF_FRONTIERS = ("sort", "accuracy", "frontier", "intervals", "replicates", "joint", "published")
"""Options of the leaderboards with frontiers."""

OF_MODELS = (*OF_ONE, *OF_FRONTIERS, "images", "ranks", "seeds")
"""Options of the leaderboards of models."""


UNUSED: Mapping[str, Sequence[tuple[Sequence[str], str]]] = {
    "attacks": [(OF_MODELS, "--attacks compares all attacks of the suite, not its models")],
    "models": [(OF_ATTACKS, "the models' leaderboards have no budget of passes")],
    "joint": [(OF_ONE, "--joint ranks the models under all attacks")],
    "ranks": [
        (OF_FRONTIERS, "--ranks tests the models' robustness, without a frontier"),
        (("seeds",), "--ranks and --seeds are two tables"),
    ],
    "seeds": [(OF_FRONTIERS, "--seeds shows means over training seeds, without a frontier")],
}
"""By leaderboard, the options that it has no use for, and why."""


def _refuse(context: click.Context, *tables: str) -> None:
    """Refuse options that these leaderboards do not use, unless the environment sets them."""
    options = {option.name: option.opts[0] for option in context.command.params}
    for names, because in (each for table in tables for each in UNUSED[table]):
        for name in names:
            if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
                raise ConfigError(because, where=options[name], hint="leave out one of the two")


def _choice(
    *,
    attack: str | None,
    goal: str | None,
    at: str | None,
    sort: SortBy | None,
    accuracy: AccuracyOf,
    images: ImagesOf,
    frontier: str,
    intervals: bool,
    replicates: int,
    regimes: bool,
) -> Choice:
    from harness.analysis.budgets import parsed
    from harness.analysis.columns import Choice
    from harness.analysis.reference import references
    from harness.plugins import installed

    return Choice(
        attack=attack,
        goal=goal,
        accuracy=accuracy,
        images=images,
        sort=sort,
        references=references(frontier, installed()),
        replicates=replicates if intervals else None,
        at=None if at is None else parsed(at),
        regimes=regimes,
    )


def _attacks(
    db: Path, suite: str | None, goal: str | None, points: PointsOf, passes: int | None
) -> Presentation:
    from harness.analysis.optimality import contest
    from harness.analysis.results import Results
    from harness.report.attacks import presentation
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        results = Results(stored.conn, points).suite(suite)
        return presentation(contest(results, goal, passes), goal, passes)


def _joint(results: SuiteResults, choice: Choice) -> Presentation:
    from harness.analysis.leaderboard import joint
    from harness.plugins import installed
    from harness.report.joint import presentation

    return presentation(joint(results, choice, installed()))


def _ranks(results: SuiteResults, choice: Choice, control: Control) -> Presentation:
    from harness.analysis.ranked import ranking
    from harness.report.ranked import presentation

    return presentation(ranking(results, choice, control))


def _seeds(results: SuiteResults, choice: Choice) -> Presentation:
    from harness.analysis.seeds import seed_groups
    from harness.report.seeds import presentation

    return presentation(seed_groups(results, choice))


def _beside(found: Presentation, results: SuiteResults, files: Sequence[Path]) -> Presentation:
    from harness.analysis.published import joined, read_published
    from harness.report.published import with_published

    return with_published(found, joined(read_published(files), results.architectures))


def _single(results: SuiteResults, choice: Choice, format: Format) -> Presentation:
    from harness.analysis.leaderboard import leaderboard
    from harness.plugins import installed
    from harness.report.leaderboard import presentation

    # People see the metrics that declare a column; to compute the others would take time.
    return presentation(leaderboard(results, choice, installed(), shown=format != "json"))
