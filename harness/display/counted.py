"""Progress of work that is done one thing after the other: a bar on a terminal, else lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.terminal import echo, one_line

Step = Callable[[int, int, str], None]
"""Called before the n-th of so many things, with its name."""


@contextmanager
def counted(doing: str) -> Iterator[Step]:
    """What shows on stderr how far it is, for as long as the block takes.

    Args:
        doing: what is done to a thing: ``drawing figure``.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda number, of, name: echo(f"{doing} {number} of {of}: {name}", err=True)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(doing, total=None)

        def step(number: int, of: int, name: str) -> None:
            shown.update(task, completed=number - 1, total=of, description=one_line(name))

        yield step
