"""What a plugin's command gets of the harness: see `harness.api.Harness`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import Column, Format, Harness, PluginError, StoredResults, Table
from harness.cli import printing
from harness.report.presentation import Field, present
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.plugins import Registration

Row = Mapping[str, Any]


class PluginHarness(Harness):
    """The harness, lent to the command of a plugin."""

    def __init__(self, command: Registration) -> None:
        self._command = command

    def results(self, db: str | Path = "harness.db") -> StoredResults:
        from harness.library.results import results

        return results(db)

    def show(
        self,
        rows: Table | Iterable[Row],
        columns: Sequence[Column] = (),
        *,
        format: Format = "table",
        title: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        from harness.library.tables import Table as StoredTable

        if isinstance(rows, StoredTable):
            printing.show(rows.presentation, format)
            return
        table = [self._row(number, row) for number, row in enumerate(rows, 1)]
        keys = dict.fromkeys(key for row in table for key in row)
        fields = [self._field(each, table) for each in columns or map(Column, keys)]
        printing.show(present(fields, table, title=title, notes=notes), format)

    def say(self, message: str) -> None:
        echo(str(message), err=True)

    def check_registry(self, content: Mapping[str, Any], where: str) -> None:
        from harness.registry.load import check

        check(content, where)

    def _row(self, number: int, row: object) -> Row:
        """``row`` with plain values.

        Raises:
            PluginError: it is no mapping of what JSON has.
        """
        if not isinstance(row, Mapping) or not all(isinstance(key, str) for key in row):
            raise self._error(f"row {number} is {type(row).__name__}, not a mapping of texts")
        plain = {key: _plain(value) for key, value in row.items()}
        for key, value in plain.items():
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                what = f"{key!r} of row {number} is {value!r}"
                raise self._error(f"{what}, which JSON does not have") from error
        return plain

    def _field(self, column: object, rows: Sequence[Row]) -> Field[Row]:
        if not isinstance(column, Column):
            raise self._error(f"a column is {type(column).__name__}, not a Column")
        values = [row.get(column.key) for row in rows]
        for number, value in enumerate(values, 1):
            try:
                _text(value, column.format)
            except (TypeError, ValueError) as error:
                what = f"{column.key!r} of row {number} is {value!r}"
                raise self._error(f"{what}, not {column.format!r}: {error}") from error
        return Field(
            column.key,
            column.heading or column.key.replace("_", " "),
            column.meaning,
            value=lambda row: row.get(column.key),
            show=lambda value: _text(value, column.format),
            numeric=all(isinstance(value, int | float | None) for value in values),
        )

    def _error(self, what: str) -> PluginError:
        return PluginError(
            f"command {self._command.name!r}: {what}",
            where=self._command.who,
            hint="report it to the plugin's authors",
        )


def _plain(value: Any) -> Any:
    """A number of numpy as one of Python."""
    return value.item() if hasattr(value, "item") and not getattr(value, "ndim", 0) else value


def _text(value: Any, spec: str) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return format(value, spec)
