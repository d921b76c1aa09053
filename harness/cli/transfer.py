"""``harness transfer``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format
from harness.terminal import echo

if TYPE_CHECKING:
    from pathlib import Path

    from harness.analysis.transfer.matrix import Border, Denominator
    from harness.report.tables import Format


@click.command()
@database()
@option("--suite", metavar="NAME", help="The suite; by default the latest run's.")
@option(
    "--attack",
    metavar="NAME",
    help="An attack with transfers, by name, label or glob; by default the suite's first.",
)
@option("--goal", metavar="GOAL", help="The adversary's goal; by default the attack's first.")
@option("--epsilon", type=float, metavar="E", help="Among attacks of that name, the one with E.")
@option(
    "--k",
    type=click.IntRange(min=1),
    metavar="K",
    help="Targeted goals: the goal's class is among the target's first K; by default 5.",
)
@option(
    "--denominator",
    type=click.Choice(["paper", "code"]),
    default="paper",
    help="The images that count: all attacked ones, or those whose adapted clean original the"
    " target classifies correctly.",
)
@option(
    "--border",
    type=click.Choice(["white", "grey"]),
    help="What surrounds pictures smaller than the target's; by default the suite's choice.",
)
@option("--intervals", is_flag=True, help="95 % intervals beside the rates of the summary.")
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
    """How one model's adversarial images do on every other model.

    A heat map of sources by targets, the adapted clean error of each pair, then means by family,
    the strongest sources and the most asymmetric pairs. JSON and CSV are one record a pair, always
    with intervals; their footnotes go to stderr.
    """
    from harness.analysis.transfer.matrix import transfer_matrix
    from harness.report import transfer as report
    from harness.report.tables import render
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        matrix = transfer_matrix(
            stored.conn,
            suite=suite,
            attack=attack,
            goal=goal,
            epsilon=epsilon,
            k=k,
            denominator=denominator,
            border=border,
        )
    if format in ("json", "csv"):
        rows = report.records(matrix)
        echo(render(rows, report.columns(rows), format))
        echo("\n".join(report.footnotes(matrix, intervals=intervals)), err=True)
        return
    echo(report.text(matrix, format, intervals=intervals), coloured=True)
