"""``harness report``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import data_places, database, option, registries
from harness.cli.selection import places
from harness.cli.verbs import verb
from harness.errors import HarnessError
from harness.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.api import Dataset
    from harness.report.html.gallery import Pixels, Reader
    from harness.store.read.examples import SavedExample


@verb("report")
@option(
    "--output", "-o",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder to write to; created if missing.",
)  # fmt: skip
@database()
@option("--suite", metavar="NAME", help="The suite; by default the latest run's.")
@option(
    "--figures",
    is_flag=False,
    flag_value="*",
    metavar="[GLOB]",
    help="Also write each figure as SVG, PDF and PNG, or only those whose names match.",
)
@option(
    "--theme",
    type=click.Choice(["light", "dark"]),
    default="light",
    show_default=True,
    help="The colours of these figures; the page itself follows the browser.",
)
@click.option(
    "--images",
    type=click.IntRange(min=0),
    default=8,
    show_default=True,
    metavar="N",
    help="Number of images shown with their adversarial examples.",
)
@data_places("Path of a dataset, for the clean images; may be repeated.")
@registries()
def report(
    output: Path,
    db: Path,
    suite: str | None,
    figures: str | None,
    theme: str,
    images: int,
    data: Sequence[str],
    registry_files: Sequence[Path],
) -> None:
    """One HTML file that opens in any browser without network access.

    It contains the leaderboards, charts, findings and images, and where the numbers come from; what
    is missing is named. Needs the extra `report`.
    """
    from harness.report.html.charts import needs

    for module in ("altair", "vl_convert", "jinja2"):
        needs(module)
    from harness.report.html.content import content
    from harness.report.html.page import html
    from harness.store.database import file_errors, snapshot

    reader = clean_reader(places(data), registry_files)
    with snapshot(db) as stored:
        found = content(stored, suite=suite, images=images, reader=reader)
    page = output / "index.html"
    with file_errors(page):
        output.mkdir(parents=True, exist_ok=True)
        page.write_text(html(found), "utf-8")
    echo(str(page))
    if figures:
        from harness.report.html.export import Style, export

        written = export(
            found.figures.values(),
            output / "figures",
            partial(echo, err=True),
            Style(theme, figures, found.labels),
        )
        echo(f"{len(written)} files in {output / 'figures'}", err=True)
    if found.provenance.gaps:
        echo(
            f"{found.provenance.complete} of {found.provenance.parts} cells are complete; the page"
            " lists what is missing",
            err=True,
        )


def clean_reader(folders: dict[str, Path], registry_files: Sequence[Path]) -> Reader:
    """Reads clean images through the registry's datasets, each opened on first use."""
    opened: dict[str, Dataset] = {}

    def read(row: SavedExample) -> Pixels:
        from harness.api import Cut, Sample
        from harness.report.html.gallery import cut_of

        if row.dataset not in opened:
            opened[row.dataset] = _dataset(row.dataset, folders.get(row.dataset), registry_files)
        dataset, sample = opened[row.dataset], Sample(row.outcome.image_id, row.outcome.label)
        if dataset.digest(sample) != row.digest:
            raise HarnessError("the clean image has changed since the run")
        height, width = row.identity["preprocessing"]["size"]
        cut = cut_of(row.identity)
        return dataset.read(sample, (height, width), Cut(**cut) if cut else None)

    return read


def _dataset(name: str, place: Path | None, registry_files: Sequence[Path]) -> Dataset:
    from harness.plugins import installed, unknown
    from harness.registry import load
    from harness.resolve.components import dataset_component

    known = load(registry_files).datasets
    if name not in known:
        raise unknown("dataset", name, known)
    return dataset_component(known[name], installed(), root=place)[1]
