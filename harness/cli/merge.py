"""``harness merge``: another database's results into this one."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import database, output_format
from harness.errors import ExitCode
from harness.report.tables import Column, render
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.report.tables import Format

COLUMNS = (
    Column("table", "table"),
    Column("added", "added", right=True),
    Column("replaced", "in the place of failed ones", right=True),
    Column("equal", "equal", right=True),
    Column("noise", "equal up to noise", right=True),
    Column("conflicts", "conflicts", right=True),
    Column("left", "not taken", right=True),
)


@click.command()
@click.argument("other", metavar="OTHER.db", type=click.Path(path_type=Path, dir_okay=False))
@database()
@output_format()
def merge(other: Path, db: Path, format: Format) -> int:
    """Take everything of OTHER.db that the database does not hold, kept images included.

    Results of equal cells unite. Where both hold another result for the same image the database's
    own stays, and a line on stderr names cell and image. OTHER.db is only read.
    """
    from harness.store.merge.merge import merge as merge_databases

    merged = merge_databases(db, other, command=["harness", *sys.argv[1:]])
    echo(render([asdict(row) for row in merged.counts], COLUMNS, format))
    for conflict in merged.conflicts:
        echo(f"conflict: {conflict}", err=True)
    return ExitCode.CELLS_FAILED if merged.conflicts else ExitCode.OK
