"""``harness verify``: what is stored, checked once more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import data_sets, database, option, output_format, registries
from harness.errors import ExitCode
from harness.report.tables import Column, render
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.report.tables import Format

COLUMNS = (
    Column("what", "check"),
    Column("of", "of"),
    Column("agree", "agree", right=True),
    Column("hair", "by a hair", right=True),
    Column("wrong", "wrong", right=True),
    Column("skipped", "skipped", right=True),
)


@click.command()
@database()
@option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only N images a cell, the same ones every time.",
)
@option("--refit", is_flag=True, help="Compute measurements from their stored arrays too.")
@option(
    "--repair",
    is_flag=True,
    help="First forget kept images whose files are gone or damaged, so that a run makes them again,"
    " and remove files that belong to nothing.",
)
@option("--models", metavar="GLOB,...", help="Only what is stored of these models.")
@data_sets("Where a data set lies.")
@registries()
@option("--device", default="auto", metavar="auto|cpu|cuda:0", help="Where to compute.")
@output_format()
def verify(
    db: Path,
    sample: int | None,
    refit: bool,
    repair: bool,
    models: str | None,
    data: Sequence[str],
    registry_files: Sequence[Path],
    device: str,
    format: Format,
) -> int:
    """Check what is stored once more, and write nothing but with --repair.

    Artifact files against their hashes; kept adversarial images against the models (prediction and
    status) and the clean images (norms); with --refit scores against the arrays that they were
    computed from. A model whose weights are not here or not the same is skipped. Verdicts that
    turn on a rounding error are counted "by a hair". The exit code is 1 where something is wrong;
    a line on stderr says what.
    """
    from harness.audit import verify as verification
    from harness.cli.run import listed, places
    from harness.engine.device import resolve_device
    from harness.plugins import installed
    from harness.registry import load
    from harness.store.database import reading

    scope = verification.Scope(
        models=listed(models),
        sample=sample,
        refit=refit,
        data=places(data),
        device=resolve_device(device),
    )

    def say(line: str) -> None:
        echo(line, err=True)

    registry = load(registry_files)
    if repair:
        _repair(db, say)
    with reading(db) as stored:
        checks = verification.verify(stored, registry, installed(), scope, say)
    echo(render([asdict(check) for check in checks], COLUMNS, format))
    return ExitCode.CELLS_FAILED if any(check.wrong for check in checks) else ExitCode.OK


def _repair(db: Path, say: Callable[[str], None]) -> None:
    from harness.store.database import reading
    from harness.store.lost import forget_lost
    from harness.store.write.writer import Writer

    with reading(db):
        pass  # what is not there is not made
    with Writer.open(db, command=["harness", *sys.argv[1:]]) as writer:
        found = forget_lost(writer.db)
    if found.files:
        say(
            f"forgot {found.images} kept images of {found.files} files that were gone or damaged:"
            " a run of their suite makes them again"
        )
    if found.removed:
        say(f"removed {found.removed} files that belonged to nothing")
