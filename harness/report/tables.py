"""One way to print rows: a table for people, JSON, CSV or Markdown for everything else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.terminal import one_line, output, visible

Format = Literal["table", "json", "csv", "md"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key in the rows (and in JSON and CSV), its heading, and how people see it.

    ``show`` turns a value into text for tables and Markdown; None is shown as a dash. A table with
    ``repeated`` columns that is too wide for the terminal becomes several, each of which begins
    with them.
    """

    key: str
    heading: str
    show: Callable[[Any], str] = str
    right: bool = False
    repeated: bool = False


def render(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    format: Format,
    *,
    title: str | None = None,
) -> str:
    """``rows`` as text. JSON holds the whole rows; the other formats hold the columns."""
    if format == "json":
        return json.dumps([dict(row) for row in rows], indent=2, allow_nan=False)
    if format == "csv":
        return _csv(rows, columns)
    if format == "md":
        return _markdown(rows, columns)
    return _table(rows, columns, title)


def cell(row: Mapping[str, Any], column: Column) -> str:
    """What people see; `visible` already, for a table's widths are those of what is shown."""
    value = row.get(column.key)
    return "–" if value is None else visible(column.show(value))


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(column.key for column in columns)
    for row in rows:
        writer.writerow("" if row.get(c.key) is None else row[c.key] for c in columns)
    return out.getvalue().rstrip("\n")


def _markdown(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in cells) + " |"

    rule = "|" + "|".join("---:" if column.right else "---" for column in columns) + "|"
    body = [line([cell(row, column) for column in columns]) for row in rows]
    return "\n".join([line([column.heading for column in columns]), rule, *body])


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], title: str | None) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # A narrow terminal squeezes the table; a pipe or a file never loses a digit.
    console = Console(file=output(), width=None if output().isatty() else 10_000)
    with console.capture() as capture:
        for part in _fitting(rows, columns, console.width):
            table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
            for column in part:
                table.add_column(
                    column.heading,
                    justify="right" if column.right else "left",
                    no_wrap=column.right,
                )
            for row in rows:
                # Text, not markup: names come from files and plugins.
                table.add_row(*(Text(cell(row, column)) for column in part))
            console.print(table)
            title = None
    return capture.get().rstrip("\n")


def _fitting(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], width: int
) -> list[list[Column]]:
    """The columns in tables that fit; all in one where none is repeated."""
    from rich.cells import cell_len

    def size(column: Column) -> int:
        return 3 + max(map(cell_len, [column.heading, *(cell(row, column) for row in rows)]))

    first = [column for column in columns if column.repeated]
    if not first or sum(map(size, columns)) <= width:
        return [list(columns)]
    parts, left = [list(first)], width - sum(map(size, first))
    free = left
    for column in columns:
        if column.repeated:
            continue
        if size(column) > free and len(parts[-1]) > len(first):
            parts.append(list(first))
            free = left
        parts[-1].append(column)
        free -= size(column)
    return parts
