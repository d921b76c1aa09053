"""The one way to print results: data on stdout, and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from harness.api.command import COLUMNS
from harness.report.chosen import with_columns
from harness.report.presentation import Format, Presentation
from harness.report.text import render
from harness.terminal import echo


def show(found: Presentation, format: Format, *, err: bool = False) -> None:
    """Print ``found``, with the columns asked for; the notes of JSON and CSV go to stderr.

    Raises:
        ConfigError: there is no such column.
    """
    names = None if err else _asked()
    if names is not None:
        found = with_columns(found, names)
    echo(render(found, format), coloured=True, err=err)
    if format in ("json", "csv") and found.notes:
        echo("\n".join(found.notes), err=True)


def _asked() -> Sequence[str] | None:
    context = click.get_current_context(silent=True)
    names: Sequence[str] | None = None if context is None else context.meta.get(COLUMNS)
    return names
