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
    Field("name", "name", repeated=True),
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

_SOURCES: tuple[Field[Requirement], ...] = (
    Field("name", "model", repeated=True),
    Field("source", "source"),
    Field("fidelity", "fidelity"),
    Field("state", "state"),
    Field("bytes", "MB", show=lambda size: f"{size / 1e6:,.1f}", numeric=True),
)
FEW = 3
"""Names are listed where there are no more of them."""

_FIELDS_AND_SOURCES: tuple[Field[Requirement], ...] = (
    *_FIELDS,
    Field(
        "sources",
        value=lambda row: [
            {field.key: field.value_of(source) for field in _FIELDS} for source in row.sources
        ],
    ),
)


def requirements_table(rows: Sequence[Requirement], notes: Iterable[str] = ()) -> Presentation:
    """One row per model and dataset; without empty columns where people read it.

    Below it every source of the models, where the rows have them, and the files to fetch by hand:
    in lines of their own, for a cell would break addresses and commands.
    """
    sources = [source for row in rows for source in row.sources]
    every = _FIELDS_AND_SOURCES if sources else _FIELDS
    hidden = {field.key for field in every if all(field.value_of(row) is None for row in rows)}
    if sources:
        hidden.add("how")
    fields = [replace(each, heading=None) if each.key in hidden else each for each in every]
    others = [row for row in rows if not row.sources]
    below = present(_SOURCES, sources, title="All sources of the models' weights")
    by_hand = Presentation(title="To get by hand", notes=tuple(_by_hand([*sources, *others])))
    return present(fields, rows, notes=notes, parts=(below, by_hand) if sources else ())


def _by_hand(rows: Iterable[Requirement]) -> Iterable[str]:
    """What to do for each that is not here, in a line; what is the same for several, once."""
    told: dict[str, list[Requirement]] = {}
    for row in rows:
        if row.state != "present" and row.how:
            told.setdefault(_with_address(row), []).append(row)
    for how, same in told.items():
        names = tuple(dict.fromkeys(row.name for row in same))
        listed = ", ".join(names) if len(names) <= FEW else f"{len(names)} models"
        yield f"{listed} ({', '.join(dict.fromkeys(row.source for row in same))}): {how}"


def _with_address(row: Requirement) -> str:
    """How to get it, with the address where that names no file."""
    if row.url is None or row.url.rsplit("/", 1)[-1] in row.how:
        return row.how
    return f"{row.url}: {row.how}"
