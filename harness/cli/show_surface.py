"""``harness show surface``: stored surfaces as a list, or as images and JSON."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import database, output_format
from harness.cli.printing import show
from harness.cli.selection import listed
from harness.report.presentation import Field, Format, present

WRITTEN: tuple[Field[dict[str, str]], ...] = (Field("png", "image"), Field("json", "JSON"))


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
@database()
@output_format()
def surface(
    db: Path, names: str | None, image: str | None, output: Path | None, format: Format
) -> None:
    """Loss and decision surfaces, models side by side.

    Without -o: lists stored surfaces, of some models or cells, or of one image. With -o: for IMAGE,
    or for each image of which they all have a surface, a figure of their losses and margins on
    common scales, and a file with grids, numbers and provenance. Surfaces of models have the same
    measurement and goal; those of cells may differ.
    """
    from harness.analysis.surface import chosen, side_by_side
    from harness.errors import ConfigError
    from harness.report import surface as report
    from harness.store.database import snapshot
    from harness.store.read import surfaces as stored

    wanted = listed(names)
    if output is not None and not wanted:
        raise ConfigError(
            "does not say what to draw", where="-o", hint="name a model or a cell first"
        )
    with snapshot(db) as connection:
        every = stored.surfaces(connection.conn)
        if output is None:
            show(report.presentation(chosen(every, wanted, image)), format)
            return
        written = []
        for group in side_by_side(every, wanted, image):
            drawn = [
                report.Drawn(
                    each,
                    stored.grids(connection.conn, each),
                    stored.provenance(connection.conn, each),
                )
                for each in group
            ]
            written.append(report.write(drawn, output))
    show(present(WRITTEN, written), format)
