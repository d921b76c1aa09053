"""``harness merge``: merge other databases into this one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
@click.argument(
    "others",
    metavar="OTHER.db...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
)
@database()
@output_format()
def merge(others: Sequence[Path], db: Path, format: Format) -> int:
    """Copies everything that is missing here, saved adversarial examples included.

    Results of equal cells are combined, and the parts of a run (`harness run --shard`) become the
    run. Where two databases disagree about an image, the result in this database stays, and stderr
    names cell and image. OTHER.db is only read; of several, each is merged completely or not at
    all.
    """
    from harness.store.merge.merge import merge as merge_databases
    from harness.store.merge.merge import total

    merged = []
    for other in others:
        merged.append(merge_databases(db, other, command=["harness", *sys.argv[1:]]))
        of = f" of {other}" if len(others) > 1 else ""
        for conflict in merged[-1].conflicts:
            echo(f"conflict{of}: {conflict}", err=True)
    show(present(FIELDS, total(merged)), format)
    conflicts = any(each.conflicts for each in merged)
    return ExitCode.CELLS_FAILED if conflicts else ExitCode.OK
