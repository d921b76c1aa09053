"""The page of a database, written as the verb writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def no_clean(row: Any) -> Any:
    from harness.errors import DataError

    raise DataError("there is no data set here")


def render(database: Path, folder: Path, *, images: int = 3, reader: Any = None) -> Path:
    """The path of the page."""
    from harness.cli.report import clean_reader
    from harness.library.results import results
    from harness.report.html.content import content
    from harness.report.html.page import html
    from harness.store.database import reading

    with reading(database) as db:
        stored = results(database)
        found = content(
            db, stored, suite=None, images=images, reader=reader or clean_reader({}, ())
        )
    page = folder / "index.html"
    page.write_text(html(found), "utf-8")
    return page
