"""Large and small numbers for people."""

from __future__ import annotations

from functools import partial

_PREFIXES = (
    (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"),
)  # fmt: skip


def si(value: float, unit: str = "") -> str:
    """Three significant digits with a decimal prefix: ``12.3 GFLOP``, ``1.5k``, ``0 B``."""
    space = " " if unit else ""
    for size, prefix in _PREFIXES:
        if abs(value) >= 0.9995 * size:
            return f"{_three(value / size)}{space}{prefix}{unit}"
    return f"{_three(value)}{space}{unit}"


def span(seconds: float) -> str:
    """An estimated time: ``12 s``, ``3.5 min``, ``7.2 h``, ``153 h``."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 0.9995 * size:
            return f"{_three(seconds / size)} {unit}"
    return f"{_three(seconds)} s"


flop = partial(si, unit="FLOP")
"""``12.3 GFLOP``."""

size = partial(si, unit="B")
"""``12.3 MB``."""


def _three(value: float) -> str:
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
