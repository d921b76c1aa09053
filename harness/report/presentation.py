"""What is shown: a column is declared once, for terminal, Markdown, CSV, JSON and page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from harness.api.table import FORMATS as FORMATS
from harness.api.table import Format as Format

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column:
    """What a column is called, and what that means.

    Attributes:
        key: its name in CSV.
        numeric: aligned right, and never wrapped.
        repeated: where a table is too wide for the terminal it becomes several, each of which
            begins with the repeated columns.
    """

    key: str
    heading: str
    meaning: str = ""
    numeric: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One value as people read it.

    Attributes:
        text: None is shown as a dash.
        key: what the page sorts by; None comes last.
        aside: shown in brackets behind the text, or smaller where that is possible.
        style: of the terminal, such as "green".
    """

    text: str | None
    key: float | str | None = None
    aside: str = ""
    style: str = ""

    @property
    def plain(self) -> str | None:
        """Text and aside in one."""
        return f"{self.text} ({self.aside})" if self.text is not None and self.aside else self.text


@dataclass(frozen=True, slots=True)
class Field(Generic[Row]):
    """A column and how its values come out of rows.

    Attributes:
        heading: None: the column is for programs alone.
        value: of a row, for JSON, CSV and sorting; by default its item or attribute ``key``.
        show: a value, not None, as text for people.
        text: of a row, for people, where its value is not enough.
        data: False: the column is for people alone.
    """

    key: str
    heading: str | None = None
    meaning: str = ""
    value: Callable[[Row], Any] | None = None
    show: Callable[[Any], str] = str
    text: Callable[[Row], str | Cell | None] | None = None
    numeric: bool = False
    repeated: bool = False
    data: bool = True

    def value_of(self, row: Row) -> Any:
        """What programs get."""
        if self.value is not None:
            return self.value(row)
        return row.get(self.key) if isinstance(row, Mapping) else getattr(row, self.key)

    def cell(self, row: Row) -> Cell:
        """What people see."""
        if self.text is not None:
            text = self.text(row)
            if isinstance(text, Cell):
                return text
            key = self.value_of(row) if self.data or self.value is not None else text
        else:
            key = self.value_of(row)
            text = None if key is None else self.show(key)
        return Cell(text, key if isinstance(key, int | float | str) else None)


class Drawing(Protocol):
    """Something other than a table, such as a heat map."""

    def drawn(self, format: Literal["table", "md"]) -> str:
        """The drawing as harmless text, maybe with colours; empty where there is nothing."""


SCHEMA, SCHEMA_VERSION = "frontier-harness/results", 1
"""Of `Presentation.envelope`. A key that goes or changes raises the version; a new one does not."""


@dataclass(frozen=True, slots=True)
class ResultTable:
    """What the JSON of a table of results says besides its rows.

    Attributes:
        name: which table it is.
        selection: what was chosen, by the user or by default.
        fits: the frontiers that residuals are measured from, each with a and b and its members.
        more: what this table alone has.
        database: the file that was read.
    """

    name: str
    suite: str
    selection: Mapping[str, Any] = field(default_factory=dict)
    fits: Sequence[Mapping[str, Any]] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    database: str | None = None


@dataclass(frozen=True, slots=True)
class Presentation:
    """A table with its title and notes, and maybe further parts below it.

    Attributes:
        records: for programs, one per row; CSV has those of their values that are neither lists nor
            mappings. ``header`` names them where there is no record.
        notes: what the columns do not say, one line each.
        document: JSON, where that is not the records.
        table: of results, whose JSON is an `envelope` around the records, or around ``document``.
    """

    title: str = ""
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    records: tuple[Mapping[str, Any], ...] = ()
    header: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    parts: tuple[Presentation | Drawing, ...] = ()
    document: Any = None
    table: ResultTable | None = None

    def of(self, database: Path, **selection: str) -> Presentation:
        """The same, with the file that was read, and what was chosen besides."""
        assert self.table is not None
        chosen = {**self.table.selection, **selection}
        table = replace(self.table, database=str(database), selection=chosen)
        return replace(self, table=table)

    def envelope(self, table: ResultTable) -> dict[str, Any]:
        """The JSON of a table of results: the same keys for all of them."""
        rows = list(self.records if self.document is None else self.document)
        shown = {column.key: column for column in self.columns}
        keys = list(rows[0]) if rows else self.header
        return {
            "schema": SCHEMA,
            "version": SCHEMA_VERSION,
            "table": table.name,
            "suite": table.suite,
            "database": table.database,
            "selection": dict(table.selection),
            **table.more,
            "columns": [_described(key, shown.get(key)) for key in keys],
            "fits": list(table.fits),
            "rows": rows,
            "notes": [note for note in self.notes if note],
        }


def _described(key: str, column: Column | None) -> dict[str, str | None]:
    """A column in JSON; without heading and meaning where people do not see it."""
    heading, meaning = (column.heading, column.meaning) if column else ("", "")
    return {"key": key, "heading": heading or None, "meaning": meaning or None}


def present(
    fields: Iterable[Field[Row]],
    rows: Iterable[Row],
    *,
    title: str = "",
    notes: Iterable[str] = (),
    parts: Iterable[Presentation | Drawing] = (),
    document: Any = None,
    table: ResultTable | None = None,
) -> Presentation:
    """``rows`` as ``fields`` show them."""
    fields, rows = list(fields), list(rows)
    shown = [
        (field, Column(field.key, field.heading, field.meaning, field.numeric, field.repeated))
        for field in fields
        if field.heading is not None
    ]
    return Presentation(
        title=title,
        columns=tuple(column for _, column in shown),
        rows=tuple(tuple(field.cell(row) for field, _ in shown) for row in rows),
        records=tuple(
            {field.key: field.value_of(row) for field in fields if field.data} for row in rows
        ),
        header=tuple(field.key for field in fields if field.data),
        notes=tuple(notes),
        parts=tuple(parts),
        document=document,
        table=table,
    )
