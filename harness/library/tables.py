"""Rows that show as a table: in a notebook, in a terminal, and as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import click

from harness.api import MissingError
from harness.report.presentation import Cell, Column, Drawing, Presentation
from harness.report.text import render

if TYPE_CHECKING:
    from pandas import DataFrame


class Table(Sequence[Mapping[str, Any]]):
    """Rows by key, as the same command prints them with ``--format json``.

    A sequence of mappings, so ``table[0]["model"]`` is a value; printed, it is the table that
    people read, with its notes.

    Attributes:
        presentation: what is shown.
    """

    def __init__(self, presentation: Presentation) -> None:
        self.presentation = presentation

    def __len__(self) -> int:
        return len(self.presentation.records)

    def __getitem__(self, index: Any) -> Any:
        return self.presentation.records[index]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.presentation.records)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the columns do not say, one line each."""
        return self.presentation.notes

    def to_pandas(self) -> DataFrame:
        """The rows as a pandas DataFrame, one column per key.

        Raises:
            MissingError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise MissingError("pandas is not installed", hint="pip install pandas") from error
        return DataFrame([dict(row) for row in self])

    def __repr__(self) -> str:
        return click.unstyle(render(self.presentation, "table"))

    def _repr_html_(self) -> str:
        return _html(self.presentation)


def _html(found: Presentation) -> str:
    title = f"<p>{escape(found.title)}</p>" if found.title else ""
    notes = "".join(f"<p>{escape(note)}</p>" for note in found.notes)
    parts = [_html(part) if isinstance(part, Presentation) else _pre(part) for part in found.parts]
    return "".join([title, _grid(found.columns, found.rows), *parts, notes])


def _grid(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> str:
    if not columns:
        return ""
    heads = "".join(
        f'<th title="{escape(column.meaning)}">{escape(column.heading)}</th>' for column in columns
    )
    lines = (
        "".join(_cell(column, cell) for column, cell in zip(columns, row, strict=True))
        for row in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _cell(column: Column, cell: Cell) -> str:
    align = "right" if column.numeric else "left"
    text = "–" if cell.plain is None else escape(cell.plain)
    return f'<td style="text-align: {align}">{text}</td>'


def _pre(drawing: Drawing) -> str:
    return f"<pre>{escape(click.unstyle(drawing.drawn('table')))}</pre>"
