"""Rows that show as a table: in a notebook, in a terminal, and as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

from harness.api import MissingError
from harness.report.presentation import Cell, Column, Presentation

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True, repr=False)
class Table(Sequence[Mapping[str, Any]]):
    """Rows by key, as ``--format json`` prints them; ``presented`` is how they are shown.

    A sequence of mappings: ``table[0]["model"]``.
    """

    presented: Presentation

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        return self.presented.records

    @property
    def notes(self) -> Sequence[str]:
        """What the columns do not say, one line each."""
        return self.presented.notes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)

    def to_pandas(self) -> DataFrame:
        """The rows as a pandas DataFrame, one column per key.

        Raises:
            MissingError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise MissingError("pandas is not installed", hint="pip install pandas") from error
        return DataFrame([dict(row) for row in self.rows])

    def __repr__(self) -> str:
        from click import unstyle

        from harness.report.text import render

        shown = self.presented if self.rows else replace(self.presented, columns=())
        return unstyle(render(shown, "table"))

    def _repr_html_(self) -> str:
        shown = self.presented
        heads = "".join(f"<th>{escape(column.heading)}</th>" for column in shown.columns)
        rows = "".join(
            "<tr>" + "".join(map(_html, row, shown.columns)) + "</tr>" for row in shown.rows
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in shown.notes)
        return (
            f"<table><caption>{escape(shown.title)}</caption><thead><tr>{heads}</tr></thead>"
            f"<tbody>{rows}</tbody></table>{notes}"
        )


def _html(cell: Cell, column: Column) -> str:
    align = ' style="text-align: right"' if column.numeric else ""
    text = "–" if cell.plain is None else cell.plain
    return f"<td{align}>{escape(text)}</td>"
