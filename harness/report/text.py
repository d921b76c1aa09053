"""A presentation as text: a table for people, JSON, CSV or Markdown for everything else."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Literal

from harness.report import layout
from harness.report.layout import Rows, plain
from harness.report.presentation import Column, Format, Presentation
from harness.terminal import one_line, visible


def render(found: Presentation, format: Format) -> str:
    """``found`` as text that a terminal does not obey, but for our own colours."""
    if format == "json":
        document = list(found.records) if found.document is None else found.document
        if found.table is not None:
            document = found.envelope(found.table)
        return json.dumps(document, indent=2, allow_nan=False)
    return visible(_csv(found)) if format == "csv" else _text(found, format)


def _text(found: Presentation, format: Literal["table", "md"]) -> str:
    """Title, table, parts and notes, with an empty line between them."""
    table = _markdown if format == "md" else layout.table
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
    body = [line([plain(cell) for cell in row]) for row in rows]
    return "\n".join([line([column.heading for column in columns]), rule, *body])
