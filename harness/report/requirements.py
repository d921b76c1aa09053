"""What a run needs, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.tables import Column, Format, render

if TYPE_CHECKING:
    from harness.resolve.inventory import Requirement

_COLUMNS = (
    Column("kind", "kind"),
    Column("name", "name"),
    Column("source", "source"),
    Column("fidelity", "fidelity"),
    Column("state", "state"),
    Column("bytes", "MB", lambda size: f"{size / 1e6:,.1f}", right=True),
    Column("licence", "licence"),
    Column("problem", "problem"),
    Column("how", "how to get it"),
)
_DATA = (*_COLUMNS, Column("path", "path"), Column("url", "url"))


def requirements_table(rows: Sequence[Requirement], format: Format) -> str:
    """One row per model and dataset; without empty columns where people read it."""
    found = [
        {
            name: str(value) if isinstance(value, Path) else value if value != "" else None
            for name, value in asdict(row).items()
        }
        for row in rows
    ]
    columns = [c for c in _COLUMNS if any(row[c.key] is not None for row in found)]
    return render(found, columns if format in ("table", "md") else _DATA, format)
