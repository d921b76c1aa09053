"""Warnings of the harness and its plugins, one line each; those of other libraries stay theirs."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from harness.terminal import echo

if TYPE_CHECKING:
    from sqlite_utils import Database

    from harness.plugins import Catalog


def warn_of_broken(catalog: Catalog) -> None:
    """Name the broken plugins on stderr: what they offer is missing."""
    for report in catalog.broken:
        plugin = f"plugin {report.name} ({report.distribution} {report.version})"
        echo(f"warning: {plugin} is {report.status}", err=True)


def note_changed_code(db: Database) -> None:
    """Name on stderr the plugins whose code is not what the stored results were computed with."""
    from harness.store.read.code import stored_code

    if stored_code(db.conn):  # else no plugin need be looked at
        from harness.plugins import installed
        from harness.resolve.code import changed_code

        for line in changed_code(db.conn, installed()):
            echo(f"note: {line}", err=True)


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Show ``UserWarning`` from modules of the project without path and source line."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, UserWarning) and _is_ours(filename):
                echo("warning: " + " ".join(str(message).split()), err=True)
            else:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def _is_ours(filename: str) -> bool:
    """Whether the file is a module of the core or of a bundled plugin."""
    # A copy in one step: other threads import meanwhile, and a list of the items takes many.
    return any(
        name.startswith("harness") and getattr(module, "__file__", None) == filename
        for name, module in sys.modules.copy().items()
    )
