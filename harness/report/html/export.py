"""Figures as files, SVG, PDF or PNG, drawn without a browser."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.api.figure import Figure, Variant
from harness.errors import ConfigError
from harness.report.html.charts import needs
from harness.report.html.page import VEGA_LITE
from harness.report.html.shown import Labels
from harness.report.html.theme import themes
from harness.store.database import file_errors

SCALE = 2.0
GROUNDS = {"light": "#ffffff", "dark": "#0d1117"}
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
"""Equally wide on all systems; the label placement allows for wider ones."""


FORMATS: Mapping[str, Callable[[Any, str], bytes]] = MappingProxyType(
    {
        "svg": lambda converter, svg: svg.encode(),
        "pdf": lambda converter, svg: converter.svg_to_pdf(svg),
        "png": lambda converter, svg: converter.svg_to_png(svg, scale=SCALE),
    }
)
"""What makes a file of a figure's SVG; the converter is the module `vl_convert`."""


@dataclass(frozen=True, slots=True)
class Style:
    """How figures are written.

    Attributes:
        pattern: a glob of file names without suffix; the others are not drawn.
        formats: of `FORMATS`; each figure is written in all of them.
        labels: short names of attacks, for titles and file names.
    """

    theme: str
    pattern: str
    formats: Sequence[str]
    labels: Labels


def export(
    figures: Iterable[Figure],
    folder: Path,
    step: Callable[[int, int, str], None],
    style: Style,
) -> list[Path]:
    """Write the figures into ``folder``; returns the files.

    Args:
        step: called with number, how many there are and name before each is drawn.

    Raises:
        ConfigError: no figure matches the pattern.
        StoreError: the folder cannot be written.
    """
    converter = needs("vl_convert")
    ground = GROUNDS[style.theme]
    config = {**themes(ground)[style.theme], "background": ground, "font": FONT, "padding": 16}
    options = {"vl_version": VEGA_LITE, "config": config, "allowed_base_urls": []}
    every = dict(_named(figures, style.labels))
    chosen = fnmatch.filter(every, style.pattern)
    if not chosen:
        raise ConfigError(f"no figure matches {style.pattern!r}", hint=", ".join(every))
    written: list[Path] = []
    for number, name in enumerate(chosen, start=1):
        step(number, len(chosen), name)
        svg = converter.vegalite_to_svg(standalone(every[name], style.labels), **options)
        for format in style.formats:
            path = folder / f"{name}.{format}"
            data = FORMATS[format](converter, svg)
            with file_errors(path):
                folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            written.append(path)
    return written


def standalone(variant: Variant, labels: Labels) -> dict[str, Any]:
    """The chart with its data and a title in it."""
    datasets = {name: list(rows) for name, rows in variant.data.items()}
    title = {"text": " · ".join(labels.short(each) for each in variant.heading)}
    full = [each for each in variant.heading if labels.short(each) != each]
    if full:
        title["subtitle"] = " · ".join(full)
    return {
        **variant.spec,
        "datasets": datasets,
        "title": title,
        "description": variant.description,
    }


def _named(figures: Iterable[Figure], labels: Labels) -> Iterator[tuple[str, Variant]]:
    """File names from figure and choice; equal ones get a number."""
    seen: dict[str, int] = {}
    for figure in figures:
        for variant in figure.variants:
            text = " ".join([figure.name, *(labels.short(each) for each in variant.choice)])
            name = re.sub(r"[^a-z0-9.=]+", "-", text.lower()).strip("-.")[:120]
            seen[name] = seen.get(name, 0) + 1
            yield (name if seen[name] == 1 else f"{name}-{seen[name]}"), variant
