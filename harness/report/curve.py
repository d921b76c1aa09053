"""A security curve as text: success over the budget, for a terminal of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Literal

from harness.analysis.security import SecurityCurve

COLUMNS, ROWS = 64, 12
"""The plotting area. A quarter of the success rate is a whole number of rows."""

MOST_TICKS = 8

LONG_TAIL = 3.0
"""The axis leaves out the farthest 5% of the broken images where they would make it this much
longer."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What a plot is drawn with; ``fill`` holds a cell at 0, 1 ... 8 eighths of its height."""

    fill: str
    side: str
    tick: str
    corner: str
    line: str
    mark: str


BLOCKS = Glyphs(" ▁▂▃▄▅▆▇█", "│", "┤", "┼", "─", "┬")
ASCII = Glyphs(" ...::::#", "|", "+", "+", "-", "+")


def glyphs_for(encoding: str | None) -> Glyphs:
    """Blocks where the output's ``encoding`` has them, else ASCII."""
    try:
        "".join(astuple(BLOCKS)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS


@dataclass(frozen=True, slots=True)
class Plot:
    """A curve below a cell's facts; in Markdown there is none."""

    curve: SecurityCurve
    glyphs: Glyphs

    def drawn(self, format: Literal["table", "md"]) -> str:
        return "" if format == "md" else "\n".join(plot(self.curve, self.glyphs))


def plot(curve: SecurityCurve, glyphs: Glyphs) -> list[str]:
    """The curve's lines; a column's height is the success at the budget under it."""
    unit = "changed values" if curve.norm == "l0" else "pixel space [0, 1]"
    title = (
        f"success rate within the {curve.norm} budget ({unit}), {curve.attacked} attacked images"
    )
    if not curve.budgets or not curve.budgets[-1]:
        return [title, f"{len(curve.budgets)} broken, none of them at a distance above 0"]
    limit = _limit(curve.budgets)
    step, intervals = _scale(limit)
    end = max(limit, step * intervals)
    heights = [
        _eighths(curve.success(end * column / (COLUMNS - 1)) or 0.0) for column in range(COLUMNS)
    ]
    body = [_row(row, heights, glyphs) for row in reversed(range(ROWS))]
    beyond = sum(budget > end for budget in curve.budgets)
    tail = [f"{beyond} more broken beyond {end:.4g}"] if beyond else []
    return [title, *body, *_axis(step, intervals, glyphs), *tail]


def _limit(budgets: Sequence[float]) -> float:
    """The largest budget that the axis has to hold."""
    most = budgets[math.ceil(0.95 * len(budgets)) - 1]
    return most if 0 < LONG_TAIL * most < budgets[-1] else budgets[-1]


def _scale(limit: float) -> tuple[float, int]:
    """How far apart the axis' ticks are, 1, 2 or 5 times a power of ten, and how many follow 0."""
    power = 10.0 ** math.floor(math.log10(limit))
    steps = [unit * power for unit in (0.2, 0.5, 1, 2)]
    step = next(step for step in steps if limit <= MOST_TICKS * step)
    # A float32 0.1 lies just above 0.1, which is not worth another tick.
    return step, math.ceil(limit / step * (1 - 1e-6))


def _eighths(success: float) -> int:
    """The height in eighths of a row; only 0 and 1 themselves look like 0 and 1."""
    full = 8 * ROWS
    if 0 < success < 1:
        return max(1, min(full - 1, round(full * success)))
    return full if success else 0


def _row(row: int, heights: Sequence[int], glyphs: Glyphs) -> str:
    """One row of the plot, the lowest being 0; a label names the success at its upper edge."""
    labelled = 4 * (row + 1) % ROWS == 0
    label = f"{100 * (row + 1) // ROWS:4}% {glyphs.tick}" if labelled else f"{glyphs.side:>7}"
    cells = (glyphs.fill[max(0, min(8, height - 8 * row))] for height in heights)
    return f"{label}{''.join(cells)}".rstrip()


def _axis(step: float, intervals: int, glyphs: Glyphs) -> list[str]:
    """The budget axis and the numbers under its ticks."""
    margin = 7
    line = [glyphs.line] * COLUMNS
    numbers = [" "] * (margin + COLUMNS + 8)
    for tick in range(intervals + 1):
        place = round(tick * (COLUMNS - 1) / intervals)
        line[place] = glyphs.mark
        text = f"{tick * step:.4g}"
        start = margin + place - len(text) // 2
        numbers[start : start + len(text)] = text
    return [f"   0% {glyphs.corner}{''.join(line)}", "".join(numbers).rstrip()]
