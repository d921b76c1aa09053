"""``harness compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import at_option, database, option, output_format, points_option
from harness.cli.printing import show
from harness.cli.verbs import verb

if TYPE_CHECKING:
    from pathlib import Path

    from harness.api.results import PointsOf
    from harness.report.presentation import Format


@verb("compare")
@click.argument("first", metavar="MODEL")
@click.argument("second", metavar="MODEL")
@database()
@option("--suite", metavar="NAME", help="Suite; default: that of the latest run.")
@option(
    "--attack",
    metavar="NAME|worst:NAME,...",
    help="Attack of the suite, by name, label or glob, or the worst case of several: worst:a*,b;"
    " default: all, and the measurements.",
)
@option("--goal", metavar="GOAL", help="Adversary's goal; default: all.")
@at_option()
@points_option()
@output_format()
def compare(
    first: str,
    second: str,
    db: Path,
    suite: str | None,
    attack: str | None,
    goal: str | None,
    at: str | None,
    points: PointsOf,
    format: Format,
) -> None:
    """Paired differences of accuracy, success, robust accuracy, distortion and scores, with
    bootstrap intervals and McNemar's test. With --format json or csv the footnotes go to stderr.
    """
    from harness.analysis.budgets import parsed
    from harness.analysis.compare import compare as compared
    from harness.analysis.results import Results
    from harness.report.compare import presentation
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        results = Results(stored.conn, points).suite(suite)
        read = None if at is None else parsed(at)
        found = compared(results, first, second, attack=attack, goal=goal, at=read)
    show(presentation(found).of(db, points=points), format)
