"""How the report writes numbers and names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NOTHING = "–"


def compact(value: float | None, digits: int = 4) -> float | None:
    """Significant digits for the data behind a chart; None where the value is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


def norm_name(norm: str | None) -> str:
    """As axis titles write it: ``L2``."""
    return {"linf": "L∞", None: ""}.get(norm) or str(norm).upper()


def unit(norm: str | None) -> str:
    """Of distances in the norm."""
    return "changed values" if norm == "l0" else "pixel values in [0, 1]"


def number(value: float | None, sign: str = "") -> str:
    """Three significant digits for people."""
    if value is None:
        return NOTHING
    if math.isinf(value):
        return "∞"
    text = f"{value:{sign},.0f}" if abs(value) >= 99.95 else f"{value:{sign}#.3g}"
    return text.replace("-", "−")


def percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f}%"


def span(interval: tuple[float, float] | None) -> str:
    """An interval as ``low to high``."""
    if interval is None:
        return NOTHING
    low, high = interval
    return f"{number(low)} to {number(high)}"


def percents(interval: tuple[float, float] | None) -> str:
    """An interval of shares as ``low–high``, in percent."""
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


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of attacks by their short names: ``pgd steps=50`` is ``pgd`` where it is the only one.

    Attributes:
        shorts: the short name of each label.
    """

    shorts: Mapping[str, str]

    @classmethod
    def of(cls, labels: Sequence[str]) -> Labels:
        """Short names keep the parameters in which the labels of one attack differ."""
        parts = {label: _parts(label) for label in labels}
        groups: dict[str, list[dict[str, str]]] = {}
        for name, parameters in parts.values():
            groups.setdefault(name, []).append(parameters)
        shorts = {}
        for label, (name, parameters) in parts.items():
            kept = [f"{key}={value}" for key, value in parameters.items()
                    if any(other.get(key) != value for other in groups[name])]  # fmt: skip
            shorts[label] = " ".join([name, *kept])
        return cls(shorts)

    def short(self, text: str) -> str:
        """The short name of a label; any other text as it is."""
        return self.shorts.get(text, text)


def _parts(label: str) -> tuple[str, dict[str, str]]:
    """``name key=value ...`` taken apart; a text without ``=`` belongs to what is before it."""
    words = re.split(r" (?=[^ =]+=)", label)
    return words[0], dict(word.split("=", 1) for word in words[1:])
