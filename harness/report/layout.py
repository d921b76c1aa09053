"""Tables on a terminal: every column whole, in as many tables as it takes, each with its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.presentation import Cell, Column
from harness.terminal import console, visible

if TYPE_CHECKING:
    from rich.table import Table

Rows = Sequence[Sequence[Cell]]

GAP = 3
"""Between columns."""
READABLE, LABEL = 24, 36
"""Characters that a column of text needs, and one of labels; if it has more, it is wrapped."""


@dataclass(frozen=True, slots=True)
class Width:
    """Of a column: as it is, and with its heading and its texts wrapped."""

    natural: int
    wrapped: int


def table(columns: Sequence[Column], rows: Rows) -> str:
    """The table, or several where it is too wide, one below the other."""
    wide = console()
    sizes = [_width(column, [row[place] for row in rows]) for place, column in enumerate(columns)]
    parts = fitting(columns, sizes, wide.width)
    narrow = sum(size.natural + GAP for size in sizes) > wide.width
    if not narrow and _is_plain(columns, rows):
        return _quick(columns, rows, sizes)
    found = []
    for places in parts:
        with wide.capture() as capture:
            wide.print(_rich(columns, rows, places, sizes, wide.width if narrow else None))
        lines = [line.rstrip() for line in capture.get().split("\n")]
        found.append("\n".join(line for line in lines if line))
    return "\n\n".join(found)


def _is_plain(columns: Sequence[Column], rows: Rows) -> bool:
    """Whether every cell and heading is one line in one colour."""
    texts = (plain(cell) for row in rows for cell in row)
    return (
        not any(cell.style for row in rows for cell in row)
        and not any("\n" in column.heading for column in columns)
        and not any("\n" in text for text in texts)
    )


def _quick(columns: Sequence[Column], rows: Rows, sizes: Sequence[Width]) -> str:
    """Such a table, as rich draws it: of a thousand rows in a hundredth of its time."""
    from rich.cells import cell_len

    wide = console()
    with wide.capture() as capture:
        wide.print(_rich(columns, [], range(len(columns)), sizes, None, fixed=True))
    lines = [line.rstrip() for line in capture.get().split("\n")]
    for row in rows:
        texts = [plain(cell) for cell in row]
        gaps = [
            " " * (size.natural - cell_len(text)) for text, size in zip(texts, sizes, strict=True)
        ]
        padded = (
            gap + text if column.numeric else text + gap
            for text, gap, column in zip(texts, gaps, columns, strict=True)
        )
        lines.append(f" {(' ' * GAP).join(padded)}".rstrip())
    return "\n".join(line for line in lines if line)


def plain(cell: Cell) -> str:
    """What people see; `visible` already, for a table's widths are those of what is shown."""
    text = cell.plain
    return "–" if text is None else visible(text)


def fitting(columns: Sequence[Column], sizes: Sequence[Width], width: int) -> list[list[int]]:
    """The columns' places in tables that fit.

    Each begins with the repeated columns, or with the first one where none is.
    """
    every = list(range(len(columns)))
    if sum(size.natural + GAP for size in sizes) <= width:
        return [every]
    first = [place for place in every if columns[place].repeated] or every[:1]
    needed = [size.wrapped + GAP for size in sizes]
    for place in first:
        needed[place] = max(needed[place], min(sizes[place].natural, LABEL) + GAP)
    if sum(needed) <= width:
        return [every]
    parts, left = [list(first)], width - sum(needed[place] for place in first)
    free = left
    for place in every:
        if place in first:
            continue
        if needed[place] > free and len(parts[-1]) > len(first):
            parts.append(list(first))
            free = left
        parts[-1].append(place)
        free -= needed[place]
    return parts


def _width(column: Column, cells: Sequence[Cell]) -> Width:
    from rich.cells import cell_len

    heading, texts = visible(column.heading), [plain(cell) for cell in cells]
    whole = max(map(cell_len, [heading, *texts]))
    words = max([cell_len(word) for word in heading.split()], default=0)
    if column.numeric:
        return Width(whole, max([words, *map(cell_len, texts)]))
    words = max([words, *(cell_len(word) for text in texts for word in text.split())])
    return Width(whole, min(whole, max(words, READABLE)))


def _rich(
    columns: Sequence[Column],
    rows: Rows,
    places: Sequence[int],
    sizes: Sequence[Width],
    width: int | None,
    *,
    fixed: bool = False,
) -> Table:
    """The columns at ``places``. Text, not markup: names come from files and plugins.

    Args:
        width: of the terminal, where it is too narrow for the columns to be as they are.
        fixed: whether the columns are of their natural width, whatever the rows.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    headed = any(columns[place].heading for place in places)
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=headed)
    for place in places:
        column, size = columns[place], sizes[place]
        heading, whole = visible(column.heading), column.numeric
        if width is not None and whole:
            heading, whole = _folded(heading, size.wrapped), size.wrapped <= width // 2
        found.add_column(
            Text(heading),
            justify="right" if column.numeric else "left",
            no_wrap=whole,
            overflow="fold",
            min_width=size.natural if fixed else None,
        )
    for row in rows:
        cells = [row[place] for place in places]
        found.add_row(*(Text().append(plain(cell), cell.style) for cell in cells))
    return found


def _folded(heading: str, width: int) -> str:
    """A heading in lines of at most ``width``, as far as its words allow."""
    from textwrap import wrap

    return "\n".join(wrap(heading, max(width, 1), break_long_words=False)) or heading
