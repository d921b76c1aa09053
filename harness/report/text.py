"""A presentation as text: a table for people, JSON, CSV or Markdown for everything else."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from harness.report.presentation import Cell, Column, Format, Presentation
from harness.terminal import console, one_line, visible

if TYPE_CHECKING:
    from rich.table import Table

Rows = Sequence[Sequence[Cell]]


def render(found: Presentation, format: Format) -> str:
    """``found`` as text that a terminal does not obey, but for our own colours."""
    if format == "json":
        document = list(found.records) if found.document is None else found.document
        return json.dumps(document, indent=2, allow_nan=False)
    return visible(_csv(found)) if format == "csv" else _text(found, format)


def _text(found: Presentation, format: Literal["table", "md"]) -> str:
    """Title, table, parts and notes, with an empty line between them."""
    table = _markdown if format == "md" else _table
    notes = map(_bullet, found.notes) if format == "md" else found.notes
    blocks = [
        visible(found.title),
        table(found.columns, found.rows) if found.columns else "",
        *(
            _text(part, format) if isinstance(part, Presentation) else part.drawn(format)
            for part in found.parts
        ),
        visible("\n".join(notes)),
    ]
    return "\n\n".join(block for block in blocks if block)


def _bullet(note: str) -> str:
    """``note`` as an item of a list, if it is none already."""
    return note if re.match(r"\s*(\d+\. |- |$)", note) else f"- {note}"


def _plain(cell: Cell) -> str:
    """What people see; `visible` already, for a table's widths are those of what is shown."""
    text = cell.plain
    return "–" if text is None else visible(text)


def _csv(found: Presentation) -> str:
    names = dict.fromkeys(name for record in found.records for name in record)
    nested = {
        name
        for record in found.records
        for name, value in record.items()
        if isinstance(value, list | dict)
    }
    header = [name for name in names if name not in nested] or found.header
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for record in found.records:
        writer.writerow("" if record.get(name) is None else record[name] for name in header)
    return out.getvalue().rstrip("\n")


def _markdown(columns: Sequence[Column], rows: Rows) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in cells) + " |"

    rule = "|" + "|".join("---:" if column.numeric else "---" for column in columns) + "|"
    body = [line([_plain(cell) for cell in row]) for row in rows]
    return "\n".join([line([column.heading for column in columns]), rule, *body])


def _table(columns: Sequence[Column], rows: Rows) -> str:
    """The table, or several where it is too wide."""
    wide = console()
    tables = []
    for part in _fitting(columns, rows, wide.width):
        with wide.capture() as capture:
            wide.print(_rich(columns, rows, part))
        lines = [line.rstrip() for line in capture.get().split("\n")]
        tables.append("\n".join(line for line in lines if line))
    return "\n\n".join(tables)


def _rich(columns: Sequence[Column], rows: Rows, places: Sequence[int]) -> Table:
    """The columns at ``places``. Text, not markup: names come from files and plugins."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    headed = any(columns[place].heading for place in places)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=headed)
    for place in places:
        heading, numeric = Text(visible(columns[place].heading)), columns[place].numeric
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        cells = [row[place] for place in places]
        table.add_row(*(Text().append(_plain(cell), cell.style) for cell in cells))
    return table


def _fitting(columns: Sequence[Column], rows: Rows, width: int) -> list[list[int]]:
    """The columns' places in tables that fit; all in one where none is repeated."""
    from rich.cells import cell_len

    sizes = [
        3 + max(map(cell_len, [column.heading, *(_plain(row[place]) for row in rows)]))
        for place, column in enumerate(columns)
    ]
    first = [place for place, column in enumerate(columns) if column.repeated]
    if not first or sum(sizes) <= width:
        return [list(range(len(columns)))]
    parts, left = [list(first)], width - sum(sizes[place] for place in first)
    free = left
    for place, size in enumerate(sizes):
        if place in first:
            continue
        if size > free and len(parts[-1]) > len(first):
            parts.append(list(first))
            free = left
        parts[-1].append(place)
        free -= size
    return parts
