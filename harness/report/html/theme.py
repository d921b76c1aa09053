"""The charts' look by day and by night, as Vega-Lite configurations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
"""Families differ in shape too, for whoever does not tell the colours apart."""


@dataclass(frozen=True, slots=True)
class _Palette:
    """Text, quieter text, lines, ground, and the colours of families, shares and signs."""

    text: str
    quiet: str
    line: str
    ground: str
    accent: str
    families: tuple[str, ...]
    shares: tuple[str, ...]
    signs: tuple[str, ...]
    on_low: str
    on_high: str


_LIGHT = _Palette(
    text="#23282e",
    quiet="#5a626c",
    line="#dedad2",
    ground="#ffffff",
    accent="#0f6b6b",
    families=("#2f6fb0", "#c4571b", "#2b8a57", "#9a4fb3", "#b8860b", "#c23b5e", "#4b5a68",
              "#0f8b8d", "#7a5230", "#6c6fd1"),
    shares=("#f7f5f0", "#dcebe4", "#a9d3cb", "#68b0b0", "#2f8390", "#14556b", "#0a2f45"),
    signs=("#a63d40", "#dd9a86", "#f6f2ea", "#8db8cf", "#1f5f8b"),
    on_low="#23282e",
    on_high="#ffffff",
)  # fmt: skip

_DARK = _Palette(
    text="#e8e6e1",
    quiet="#a9b0b8",
    line="#363c44",
    ground="#1d2126",
    accent="#6fc7c2",
    families=("#7db4ee", "#f0955c", "#6fcf97", "#d39ae6", "#e3bd54", "#f2849f", "#b4c0cc",
              "#5fd0cf", "#cfa37e", "#a9abf5"),
    shares=("#23282e", "#20404a", "#205a66", "#2f7c83", "#56a5a0", "#97ccbd", "#e2f2e4"),
    signs=("#e58a7b", "#8f4a45", "#2a2f36", "#356a89", "#84c1e6"),
    on_low="#e8e6e1",
    on_high="#10161b",
)  # fmt: skip


def themes() -> dict[str, dict[str, Any]]:
    """The configurations ``light`` and ``dark``."""
    return {"light": config(_LIGHT), "dark": config(_DARK)}


def config(palette: _Palette) -> dict[str, Any]:
    text, quiet, line = palette.text, palette.quiet, palette.line
    return {
        "background": None,
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "labelColor": quiet, "titleColor": text, "gridColor": line, "domainColor": line,
            "tickColor": line, "labelFontSize": 12, "titleFontSize": 12.5, "titlePadding": 10,
            "titleFontWeight": 500, "labelPadding": 6, "tickSize": 4, "gridOpacity": 0.8,
        },
        "legend": {
            "labelColor": text, "titleColor": quiet, "labelFontSize": 12, "titleFontSize": 12,
            "titleFontWeight": 500, "symbolSize": 80, "orient": "bottom", "columns": {
                "signal": "max(2, floor(width / 120))"}, "gradientLength": 180,
        },
        "range": {
            "category": list(palette.families), "symbol": list(SHAPES),
            "heatmap": list(palette.shares), "diverging": list(palette.signs),
        },
        "style": {
            "curve": {"color": palette.accent, "strokeWidth": 2.5},
            "extrapolated": {"color": palette.accent, "strokeWidth": 1.75,
                             "strokeDash": [3, 5], "strokeOpacity": 0.75},
            "interval": {"strokeWidth": 1, "color": quiet, "strokeOpacity": 0.45},
            "member": {"color": palette.accent, "strokeWidth": 1.75, "filled": False, "size": 230},
            "label": {"color": text, "fontSize": 11.5},
            "cell-low": {"color": palette.on_low, "fontSize": 10},
            "cell-high": {"color": palette.on_high, "fontSize": 10},
            "break": {"color": palette.ground, "strokeWidth": 4},
            "boundary": {"color": text, "strokeWidth": 2},
            "origin": {"color": text, "filled": True, "size": 60},
        },
    }  # fmt: skip
