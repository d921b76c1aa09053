"""The one way to print results: data on stdout, and what is said about it."""

from __future__ import annotations

from harness.report.presentation import Format, Presentation
from harness.report.text import render
from harness.terminal import echo


def show(found: Presentation, format: Format, *, err: bool = False) -> None:
    """Print ``found``; the notes of JSON and CSV go to stderr."""
    echo(render(found, format), coloured=True, err=err)
    if format in ("json", "csv") and found.notes:
        echo("\n".join(found.notes), err=True)
