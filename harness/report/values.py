"""Values as text: for tables, Markdown and footnotes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

EXTRAPOLATED, FEW_SUCCESSES, INCOMPLETE, DOUBTFUL, EXCLUDED = "*", "†", "‡", "¶", "§"

Value = TypeVar("Value")
Shown = TypeVar("Shown")


def shown(value: Value | None, show: Callable[[Value], Shown]) -> Shown | None:
    """What ``show`` makes of a value, if there is one."""
    return None if value is None else show(value)


def marked(text: str | None, marked: bool, mark: str) -> str | None:
    return f"{text}{mark}" if text is not None and marked else text


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    # Adding 0 makes a negative zero positive.
    return f"{round(100 * share, 1) + 0:+.1f}"


def ends(interval: tuple[float, float] | None) -> str:
    """An interval of shares in percent; empty without one."""
    return "" if interval is None else f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f}"


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def number(value: float, sign: str = "") -> str:
    """Three significant digits; large numbers whole."""
    if math.isinf(value):
        return "∞"
    if abs(value) >= 99.95:
        return f"{value:{sign},.0f}"
    return f"{value:{sign}#.3g}"


def amount(count: int) -> str:
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= unit:
            return f"{count / unit:.3g}{name}"
    return str(count)
