"""A square map of rates: whole percentages on coloured cells, with lines between groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.report.presentation import Field, Presentation, present
from harness.report.text import render
from harness.terminal import console, visible

if TYPE_CHECKING:
    from rich.style import Style
    from rich.text import Text

RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Colours at 0, 25 ... 100%: viridis, whose lightness rises evenly."""

LIGHT = 0.18
"""The luminance from which black letters stand out more than white ones."""

CELL = 3
"""The letters of a cell: 100."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Values in [0, 1] by row and column, both labelled alike; what is absent is shown as a dash.

    Attributes:
        groups: of each label; a line is drawn where it changes.
    """

    title: str
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    values: Mapping[tuple[str, str], float | None]

    def starts(self, place: int) -> bool:
        """Whether a group other than the first begins at ``place``."""
        return place > 0 and self.groups[place] != self.groups[place - 1]

    def drawn(self, format: Literal["table", "md"]) -> str:
        """In colours where the terminal has them, always with numbers.

        Columns are headed by the rows' numbers. Where the labels do not fit next to the cells, rows
        have numbers alone and the labels come below.
        """
        if format == "md":
            return render(table(self), "md")
        wide = console()
        with wide.capture() as capture:
            for line in lines(self, wide.width):
                wide.print(line, soft_wrap=True)
        return capture.get().rstrip("\n")


def lines(heat: HeatMap, width: int) -> list[Text]:
    """The map's lines, at most ``width`` wide where that is possible."""
    from rich.text import Text

    number = len(str(len(heat.labels)))
    names = [f"{place:>{number}} {visible(label)}" for place, label in enumerate(heat.labels, 1)]
    longest = max(map(len, names), default=0)
    beside = longest + (1 + CELL) * len(names) <= width
    left = longest if beside else number
    heads = [f"{place:>{CELL}}" for place in range(1, len(names) + 1)]
    found = [Text(visible(heat.title)), Text(" " * left + _joined(heat, heads, "│"))]
    rule = "─" * left + _joined(heat, ["─" * CELL] * len(names), "┼", "─")
    for row, name in enumerate(names):
        if row == 0 or heat.starts(row):
            found.append(Text(rule))
        line = Text(f"{name[:left]:<{left}}")
        for column, target in enumerate(heat.labels):
            line.append("│" if heat.starts(column) else " ")
            value = heat.values.get((heat.labels[row], target))
            line.append(f"{percent(value):>{CELL}}", "" if value is None else _style(value))
        found.append(line)
    return found if beside else [*found, *map(Text, names)]


def table(heat: HeatMap) -> Presentation:
    """The map as a plain table."""

    def rates(head: str) -> Callable[[tuple[int, str]], str]:
        return lambda row: percent(heat.values.get((row[1], head)))

    fields: list[Field[tuple[int, str]]] = [
        Field("number", "#", text=lambda row: str(row[0]), numeric=True, data=False),
        Field("label", "", text=lambda row: row[1], data=False),
    ]
    fields += [
        Field(str(place), str(place), text=rates(head), numeric=True, data=False)
        for place, head in enumerate(heat.labels, 1)
    ]
    return present(fields, enumerate(heat.labels, 1), title=heat.title)


def percent(value: float | None) -> str:
    """Whole percentages; only exact values are shown as 0 or 100."""
    if value is None:
        return "–"
    if 0 < value < 1:
        value = min(max(value, 0.01), 0.99)
    return f"{100 * value:.0f}"


def _joined(heat: HeatMap, cells: Sequence[str], group: str, other: str = " ") -> str:
    return "".join(
        (group if heat.starts(place) else other) + cell for place, cell in enumerate(cells)
    )


def _style(value: float) -> Style:
    from rich.color import Color
    from rich.style import Style

    place = value * (len(RAMP) - 1)
    low = min(int(place), len(RAMP) - 2)
    red, green, blue = (
        round(a + (place - low) * (b - a)) for a, b in zip(RAMP[low], RAMP[low + 1], strict=True)
    )
    return Style(
        color="black" if _luminance(red, green, blue) > LIGHT else "bright_white",
        bgcolor=Color.from_rgb(red, green, blue),
    )


def _luminance(*channels: int) -> float:
    """The relative luminance of an sRGB colour (WCAG 2)."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in channels)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
