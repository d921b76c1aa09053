"""What a run needs, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.report.presentation import Field, Presentation, present

if TYPE_CHECKING:
    from harness.resolve.inventory import Requirement


def _or_none(key: str) -> Any:
    """The value of a requirement; None where it is empty."""
    return lambda row: getattr(row, key) or None


_FIELDS: tuple[Field[Requirement], ...] = (
    Field("kind", "kind"),
    Field("name", "name"),
    Field("source", "source"),
    Field("fidelity", "fidelity"),
    Field("state", "state"),
    Field("bytes", "MB", show=lambda size: f"{size / 1e6:,.1f}", numeric=True),
    Field("licence", "licence", value=_or_none("licence")),
    Field("problem", "problem", value=_or_none("problem")),
    Field("how", "how to get it", value=_or_none("how")),
    Field("path", value=lambda row: None if row.path is None else str(row.path)),
    Field("url"),
)


def requirements_table(rows: Sequence[Requirement], notes: Iterable[str] = ()) -> Presentation:
    """One row per model and dataset; without empty columns where people read it."""
    empty = {field.key for field in _FIELDS if all(field.value_of(row) is None for row in rows)}
    fields = [replace(each, heading=None) if each.key in empty else each for each in _FIELDS]
    return present(fields, rows, notes=notes)
