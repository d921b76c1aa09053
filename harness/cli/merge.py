"""``harness merge``: merge another database into this one."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import database, output_format
from harness.cli.verbs import verb
from harness.errors import ExitCode
from harness.report.tables import Column, render
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.report.tables import Format

COLUMNS = (
    Column("table", "table"),
    Column("added", "added", right=True),
    Column("replaced", "replaced failures", right=True),
    Column("equal", "equal", right=True),
    Column("noise", "equal within tolerance", right=True),
    Column("conflicts", "conflicts", right=True),
    Column("left", "skipped", right=True),
)


@verb("merge")
@click.argument("other", metavar="OTHER.db", type=click.Path(path_type=Path, dir_okay=False))
@database()
@output_format()
def merge(other: Path, db: Path, format: Format) -> int:
    """Copies everything that is missing here, saved adversarial examples included.

    Results of equal cells are combined. Where the two databases disagree about an image, the
    result in this database stays, and stderr names cell and image. OTHER.db is only read.
    """
    from harness.store.merge.merge import merge as merge_databases

    merged = merge_databases(db, other, command=["harness", *sys.argv[1:]])
    echo(render([asdict(row) for row in merged.counts], COLUMNS, format))
    for conflict in merged.conflicts:
        echo(f"conflict: {conflict}", err=True)
    return ExitCode.CELLS_FAILED if merged.conflicts else ExitCode.OK
