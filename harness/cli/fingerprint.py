"""``harness fingerprint``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.options import database, option, output_format
from harness.cli.printing import show
from harness.cli.verbs import verb

if TYPE_CHECKING:
    from pathlib import Path

    from harness.api.transfers import Border
    from harness.report.presentation import Format


@verb("fingerprint")
@click.argument("model")
@database()
@option("--suite", metavar="NAME", help="Suite; default: that of the latest run.")
@option(
    "--border",
    type=click.Choice(["white", "grey"]),
    help="Padding of images smaller than the model's input; default: the suite's choice.",
)
@output_format()
def fingerprint(
    model: str, db: Path, suite: str | None, border: Border | None, format: Format
) -> None:
    """MODEL is a model of the suite, treated as a black box: only how often the other models'
    adversarial images fool it counts, not its own attacks, logits or entry in the registry.
    """
    from harness.analysis.results import Results
    from harness.analysis.transfer.fingerprint import fingerprint as analysed
    from harness.report import fingerprint as report
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        found = analysed(Results(stored.conn).suite(suite), model, border=border)
    show(report.presentation(found).of(db), format)
