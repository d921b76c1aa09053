"""A presentation with the columns that the user names, in the user's order: ``--columns``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.errors import ConfigError
from harness.plugins import unknown
from harness.report.presentation import Cell, Column, Presentation

OPTION = "--columns"


def with_columns(found: Presentation, names: Sequence[str]) -> Presentation:
    """``found`` with the columns ``names`` alone: those that people see, and those of programs.

    Of several tables each has those of the names that it knows; one that knows none is left out.

    Raises:
        ConfigError: no table has such a column.
    """
    if not names:
        raise ConfigError("no column is named", where=OPTION, hint="NAME,NAME,...")
    every = dict.fromkeys(name for table in _tables(found) for name in _known(table))
    for name in names:
        if name not in every:
            raise unknown("column", name, every, where=OPTION, listed=True)
    return _chosen(found, list(dict.fromkeys(names)))


def _tables(found: Presentation) -> Iterable[Presentation]:
    yield found
    for part in found.parts:
        if isinstance(part, Presentation):
            yield from _tables(part)


def _known(found: Presentation) -> list[str]:
    """The names of its columns, those of programs last."""
    shown = [column.key for column in found.columns]
    hidden = [*found.header, *(name for record in found.records for name in record)]
    # Records of facts are not the table's rows: only what is shown can be chosen there.
    aligned = not shown or len(found.records) == len(found.rows)
    return list(dict.fromkeys([*shown, *(hidden if aligned else [])]))


def _chosen(found: Presentation, names: Sequence[str]) -> Presentation:
    known = _known(found)
    own = [name for name in names if name in known]
    parts = [
        _chosen(part, names)
        for part in found.parts
        if isinstance(part, Presentation) and any(name in _known(part) for name in names)
    ]
    if not own:
        return replace(found, columns=(), rows=(), records=(), parts=tuple(parts), document=[])
    places = {column.key: place for place, column in enumerate(found.columns)}
    count = len(found.rows) if found.columns else len(found.records)
    return replace(
        found,
        columns=tuple(_column(found, name, places) for name in own),
        rows=tuple(tuple(_cell(found, row, name, places) for name in own) for row in range(count)),
        records=tuple(
            {name: _value(found, record, row, name, places) for name in own}
            for row, record in enumerate(found.records)
        ),
        header=tuple(own),
        parts=tuple(parts),
        document=_document(found.document, own, found),
    )


def _column(found: Presentation, name: str, places: Mapping[str, int]) -> Column:
    if name in places:
        return found.columns[places[name]]
    values = [record.get(name) for record in found.records]
    numeric = all(isinstance(value, int | float | None) for value in values)
    return Column(name, name.replace("_", " "), numeric=numeric)


def _cell(found: Presentation, row: int, name: str, places: Mapping[str, int]) -> Cell:
    if name in places:
        return found.rows[row][places[name]]
    value = found.records[row].get(name)
    if value is None:
        return Cell(None)
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return Cell(text, value if isinstance(value, int | float) else text)


def _value(
    found: Presentation, record: Mapping[str, Any], row: int, name: str, places: Mapping[str, int]
) -> Any:
    """What programs get; of a column for people alone, what these see."""
    if name in record or name not in places or row >= len(found.rows):
        return record.get(name)
    return found.rows[row][places[name]].plain


def _document(document: Any, names: Sequence[str], found: Presentation) -> Any:
    """JSON that is not the records: its rows with the named keys, whatever else there is."""
    if isinstance(document, list) and len(document) == len(found.records):
        places = {column.key: place for place, column in enumerate(found.columns)}
        return [
            {name: _value(found, each, row, name, places) for name in names}
            for row, each in enumerate(document)
        ]
    return document
