"""Rows that show as a table: in a notebook, in a terminal, and as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from harness.api import MissingError
from harness.report.tables import Column, cell, render

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True, repr=False)
class Table(Sequence[Mapping[str, Any]]):
    """Rows by key, as ``--format json`` prints them; ``columns`` is what a table shows of them.

    A sequence of mappings: ``table[0]["model"]``.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()

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
        shown = (
            render(self.rows, self.columns, "table", title=self.title) if self.rows else self.title
        )
        return "\n".join([shown, *self.notes])

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{escape(column.heading)}</th>" for column in self.columns)
        rows = "".join(
            "<tr>" + "".join(_html(row, column) for column in self.columns) + "</tr>"
            for row in self.rows
        )
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return (
            f"<table><caption>{escape(self.title)}</caption><thead><tr>{heads}</tr></thead>"
            f"<tbody>{rows}</tbody></table>{notes}"
        )


def _html(row: Mapping[str, Any], column: Column) -> str:
    align = ' style="text-align: right"' if column.right else ""
    return f"<td{align}>{escape(cell(row, column))}</td>"
