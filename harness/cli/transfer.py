"""``harness transfer``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format
from harness.cli.printing import show
from harness.cli.verbs import verb

if TYPE_CHECKING:
    from pathlib import Path

    from harness.api.transfers import Border, Denominator
    from harness.report.presentation import Format


@verb("transfer")
@database()
@option("--suite", metavar="NAME", help="Suite; default: that of the latest run.")
@option(
    "--attack",
    metavar="NAME",
    help="Attack with transfers, by name, label or glob; default: the suite's first.",
)
@option("--goal", metavar="GOAL", help="Adversary's goal; default: the attack's first.")
@option(
    "--epsilon",
    type=float,
    metavar="E",
    help="Of several attacks of that name, the one with this epsilon.",
)
@option(
    "--k",
    type=click.IntRange(min=1),
    metavar="K",
    help="For targeted goals: the target class is among the top K of the target model; default: 5.",
)
@option(
    "--denominator",
    type=click.Choice(["paper", "code"]),
    default="paper",
    help="Images that count: all attacked ones, or those whose resized clean original the target"
    " model classifies correctly.",
)
@option(
    "--border",
    type=click.Choice(["white", "grey"]),
    help="Padding of images smaller than the target model's input; default: the suite's choice.",
)
@option("--intervals", is_flag=True, help="Show 95% intervals of the summary's rates.")
@output_format()
def transfer(
    db: Path,
    suite: str | None,
    attack: str | None,
    goal: str | None,
    epsilon: float | None,
    k: int | None,
    denominator: Denominator,
    border: Border | None,
    intervals: bool,
    format: Format,
) -> None:
    """A heat map of source by target models, the error on resized clean images, then means by
    family, the strongest sources and the most asymmetric pairs. JSON and CSV hold one record per
    pair, always with intervals; their footnotes go to stderr.
    """
    from harness.analysis.results import Results
    from harness.analysis.transfer.matrix import View, transfer_matrix
    from harness.report import transfer as report
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        matrix = transfer_matrix(
            Results(stored.conn).suite(suite),
            View(k=k, denominator=denominator, border=border),
            attack=attack,
            goal=goal,
            epsilon=epsilon,
        )
    show(report.presentation(matrix, intervals=intervals).of(db), format)
