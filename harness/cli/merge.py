"""``harness merge``: merge another database into this one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import database, output_format
from harness.cli.printing import show
from harness.cli.verbs import verb
from harness.errors import ExitCode
from harness.report.presentation import Field, present
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.report.presentation import Format
    from harness.store.merge.merge import Count

FIELDS: tuple[Field[Count], ...] = (
    Field("table", "table"),
    Field("added", "added", numeric=True),
    Field("replaced", "replaced failures", numeric=True),
    Field("equal", "equal", numeric=True),
    Field("noise", "equal within tolerance", numeric=True),
    Field("conflicts", "conflicts", numeric=True),
    Field("left", "skipped", numeric=True),
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
    show(present(FIELDS, merged.counts), format)
    for conflict in merged.conflicts:
        echo(f"conflict: {conflict}", err=True)
    return ExitCode.CELLS_FAILED if merged.conflicts else ExitCode.OK
