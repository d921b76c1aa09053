"""Every figure as a file, PNG and SVG, drawn without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.report.html.charts import needs
from harness.report.html.figure import Figure, Variant
from harness.report.html.page import VEGA_LITE
from harness.report.html.theme import themes
from harness.store.database import file_errors

WIDTH = 820
SCALE = 2.0


def export(figures: Iterable[Figure], folder: Path, say: Callable[[str], None]) -> list[Path]:
    """Write the figures into ``folder``; returns the files.

    Args:
        say: told of each before it is drawn.

    Raises:
        StoreError: the folder cannot be written.
    """
    converter = needs("vl_convert")
    config = {**themes()["light"], "background": "white", "font": "sans-serif", "padding": 16}
    written: list[Path] = []
    named = list(_named(figures))
    for number, (name, variant) in enumerate(named, start=1):
        say(f"drawing figure {number} of {len(named)}: {name}")
        spec = standalone(variant)
        options = {"vl_version": VEGA_LITE, "config": config, "allowed_base_urls": []}
        svg = converter.vegalite_to_svg(spec, **options)
        png = converter.svg_to_png(svg, scale=SCALE)
        for suffix, data in ((".svg", svg.encode()), (".png", png)):
            path = folder / f"{name}{suffix}"
            with file_errors(path):
                folder.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            written.append(path)
    return written


def standalone(variant: Variant) -> dict[str, Any]:
    """The chart with its data in it, in a size of its own."""
    datasets = {name: list(rows) for name, rows in variant.data.items()}
    title = {"text": " · ".join(variant.choice), "anchor": "start", "offset": 16}
    return {**variant.spec, "datasets": datasets, "width": WIDTH, "title": title,
            "description": variant.description}  # fmt: skip


def _named(figures: Iterable[Figure]) -> Iterator[tuple[str, Variant]]:
    """File names from figure and choice; equal ones get a number."""
    seen: dict[str, int] = {}
    for figure in figures:
        for variant in figure.variants:
            words = re.sub(r"[^a-z0-9.=]+", "-", " ".join((figure.name, *variant.choice)).lower())
            name = words.strip("-.")[:120]
            seen[name] = seen.get(name, 0) + 1
            yield (name if seen[name] == 1 else f"{name}-{seen[name]}"), variant
