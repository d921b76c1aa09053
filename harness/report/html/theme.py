"""The charts' look, light and dark, as Vega-Lite configurations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
"""Families differ in shape too."""
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3), (12, 4), (4, 2, 1, 2), (1, 4), (14, 3, 3, 3))
"""The lines of one family differ in their dashes."""
LABEL_SIZE = 11.5


@dataclass(frozen=True, slots=True)
class _Palette:
    """Text, quieter text, lines, ground, and the colours of families, shares and signs.

    The first seven families are told apart with any colour blindness, and from the ground.
    """

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
    families=("#1a6cd2", "#c04c05", "#07a795", "#994886", "#c98800", "#711350", "#342200",
              "#7c8794", "#6d8f1f", "#5a4fc0"),
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
    families=("#53a4ff", "#f68010", "#17e0a6", "#be7eab", "#f0eb3d", "#dc1c48", "#bdf8ff",
              "#97a3b0", "#a5cf4a", "#a9a2ff"),
    shares=("#23282e", "#20404a", "#205a66", "#2f7c83", "#56a5a0", "#97ccbd", "#e2f2e4"),
    signs=("#e58a7b", "#8f4a45", "#2a2f36", "#356a89", "#84c1e6"),
    on_low="#e8e6e1",
    on_high="#10161b",
)  # fmt: skip


def themes(ground: str | None = None) -> dict[str, dict[str, Any]]:
    """The configurations ``light`` and ``dark``, on their own ground or another."""
    palettes = {"light": _LIGHT, "dark": _DARK}
    return {
        name: config(replace(palette, ground=ground or palette.ground))
        for name, palette in palettes.items()
    }


def config(palette: _Palette) -> dict[str, Any]:
    text, quiet, line = palette.text, palette.quiet, palette.line
    return {
        "background": None,
        "font": FONT,
        "view": {"stroke": None},
        "title": {"color": text, "subtitleColor": quiet, "fontSize": 13.5, "fontWeight": 600,
                  "subtitleFontSize": 11.5, "subtitlePadding": 6, "anchor": "start",
                  "frame": "group", "offset": 12},
        "axis": {
            "labelColor": quiet, "titleColor": text, "gridColor": line, "domainColor": line,
            "tickColor": line, "labelFontSize": 12, "titleFontSize": 12.5, "titlePadding": 10,
            "titleFontWeight": 500, "labelPadding": 6, "tickSize": 4, "gridOpacity": 0.8,
        },
        "legend": {
            "labelColor": text, "titleColor": text, "labelFontSize": 12, "titleFontSize": 12,
            "titleFontWeight": 500, "symbolSize": 80, "orient": "bottom", "columns": {
                "signal": "max(2, floor(width / 90))"}, "columnPadding": 14,
            "gradientLength": 180, "symbolBaseStrokeColor": palette.accent,
        },
        "range": {
            "category": list(palette.families), "symbol": list(SHAPES),
            "heatmap": list(palette.shares), "diverging": list(palette.signs),
        },
        "style": {
            "curve": {"color": palette.accent, "strokeWidth": 2.5},
            "extrapolated": {"color": palette.accent, "strokeWidth": 1.75,
                             "strokeDash": [3, 5], "strokeOpacity": 0.75},
            "interval": {"strokeWidth": 1, "color": quiet, "strokeOpacity": 0.3},
            "staircase": {"color": palette.accent, "strokeWidth": 1.25, "strokeDash": [6, 3],
                          "strokeOpacity": 0.8},
            "leader": {"strokeWidth": 1, "strokeOpacity": 0.85},
            "equation": {"color": palette.accent, "fontSize": 12.5, "fontWeight": 500},
            "member": {"color": palette.accent, "strokeWidth": 1.75, "filled": False, "size": 230},
            "label": {"color": text, "fontSize": LABEL_SIZE},
            "halo": {"color": palette.ground, "fill": palette.ground, "stroke": palette.ground,
                     "strokeWidth": 3, "strokeJoin": "round", "fontSize": LABEL_SIZE},
            "cell-low": {"color": palette.on_low, "fontSize": 10},
            "cell-high": {"color": palette.on_high, "fontSize": 10},
            "break": {"color": palette.ground, "strokeWidth": 4},
            "boundary": {"color": text, "strokeWidth": 2},
            "origin": {"color": text, "filled": True, "size": 60},
        },
    }  # fmt: skip
