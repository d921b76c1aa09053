"""``harness show surface``: stored surfaces as a list, or as images and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harness.api import (
    Column,
    ConfigError,
    Format,
    Harness,
    MeasuredImage,
    database_option,
    format_option,
    pass_harness,
)

ARRAYS = ("a", "b", "loss", "margin")
"""What makes a measurement a surface, whoever made it."""

LISTED = (
    Column("cell"),
    Column("model"),
    Column("measurement"),
    Column("goal"),
    Column("image"),
    Column("points", format=".4g"),
    Column("loss", format=".4g"),
    Column("margin", format=".4g"),
    Column("crossing", "S = 0 at a", format=".4g"),
    Column("attack_distance", "attack's l2", format=".4g"),
)
WRITTEN = (Column("png", "image"), Column("json", "JSON"))


@click.command("surface")
@click.argument("names", metavar="[CELL|MODEL,...]", required=False)
@click.argument("image", required=False)
@click.option(
    "--output",
    "-o",
    "output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for a PNG and a JSON file per image.",
)
@database_option
@format_option
@pass_harness
def surface(
    harness: Harness,
    names: str | None,
    image: str | None,
    output: Path | None,
    db: Path,
    format: Format,
) -> None:
    """Loss and decision surfaces, models side by side.

    Without -o: lists stored surfaces, of some models or cells, or of one image. With -o: for IMAGE,
    or for each image of which they all have a surface, a figure of their losses and margins on
    common scales, and a file with grids, numbers and provenance. Surfaces of models have the same
    measurement and goal; those of cells may differ.
    """
    from harness_metrics.surface_groups import chosen, side_by_side
    from harness_metrics.surface_picture import Drawn, write

    wanted = [name.strip() for name in (names or "").split(",") if name.strip()]
    if output is not None and not wanted:
        raise ConfigError(
            "does not say what to draw", where="-o", hint="name a model or a cell first"
        )
    results = harness.results(db)
    every = results.measured(*ARRAYS)
    if output is None:
        rows = [
            _row(each, short=format in ("table", "md")) for each in chosen(every, wanted, image)
        ]
        harness.show(rows, () if format == "json" else LISTED, format=format)
        return
    written = []
    for group in side_by_side(every, wanted, image):
        drawn = []
        for each in group:
            arrays = {name: array.tolist() for name, array in results.arrays(each).items()}
            drawn.append(Drawn(each, arrays, results.origin(each)))
        written.append(write(drawn, output))
    harness.show(written, WRITTEN, format=format)


def _row(surface: MeasuredImage, *, short: bool) -> Mapping[str, Any]:
    names = ("cell", "model", "measurement", "goal", "seed", "dataset")
    about = {name: getattr(surface, name) for name in names}
    if short:
        about["cell"] = surface.cell[:8]
    image = {"image": surface.image.name, "label": surface.image.label, "target": surface.target}
    return {**about, **image, **surface.numbers}
