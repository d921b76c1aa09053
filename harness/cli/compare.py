"""``harness compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format
from harness.cli.printing import show
from harness.cli.verbs import verb

if TYPE_CHECKING:
    from pathlib import Path

    from harness.report.presentation import Format


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
    from harness.analysis.results import Results
    from harness.report.compare import presentation
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        found = compared(Results(stored.conn).suite(suite), first, second, attack=attack, goal=goal)
    show(presentation(found), format)
