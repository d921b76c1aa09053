"""How the report writes numbers and names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

NOTHING = "–"


def compact(value: float | None) -> float | None:
    """Four significant digits, for the data behind a chart; None where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.4g}")


def number(value: float | None, sign: str = "") -> str:
    """Three significant digits for people."""
    if value is None:
        return NOTHING
    if math.isinf(value):
        return "∞"
    text = f"{value:{sign},.0f}" if abs(value) >= 99.95 else f"{value:{sign}#.3g}"
    return text.replace("-", "−")


def percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f} %"


def span(interval: tuple[float, float] | None) -> str:
    """An interval as ``low to high``."""
    if interval is None:
        return NOTHING
    low, high = interval
    return f"{number(low)} to {number(high)}"


def percents(interval: tuple[float, float] | None) -> str:
    """An interval of shares as ``low–high``, in per cent."""
    return NOTHING if interval is None else f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f}"


@dataclass(frozen=True, slots=True)
class Names:
    """Model names in charts, without what they all begin with: ``digits-vgg16`` as ``vgg16``."""

    prefix: str

    @classmethod
    def of(cls, models: Sequence[str]) -> Names:
        """The names of ``models``; nothing is cut from a single one."""
        if len(models) < 2:
            return cls("")
        first, last = min(models), max(models)
        same = next((i for i, pair in enumerate(zip(first, last, strict=False))
                     if pair[0] != pair[1]), min(len(first), len(last)))  # fmt: skip
        end = max(first.rfind(mark, 0, same) for mark in "-_/:")
        return cls(first[: end + 1])

    def short(self, model: str) -> str:
        return model.removeprefix(self.prefix)
