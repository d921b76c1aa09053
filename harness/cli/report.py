"""``harness report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import (
    data_places,
    database,
    option,
    own_dataset,
    points_option,
    registries,
)
from harness.cli.selection import listed, places
from harness.cli.verbs import verb
from harness.errors import ConfigError, HarnessError
from harness.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.api import Dataset
    from harness.api.results import PointsOf
    from harness.registry import DatasetEntry
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
    help="Also write each figure to a file, or only those whose names match.",
)
@option(
    "--figure-formats",
    default="svg,pdf,png",
    metavar="FORMAT,...",
    help="Formats of these files: svg, pdf and png.",
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
@points_option()
@data_places("Path of a dataset, for the clean images; may be repeated.")
@own_dataset()
@registries()
def report(
    output: Path,
    db: Path,
    suite: str | None,
    figures: str | None,
    figure_formats: str,
    theme: str,
    images: int,
    points: PointsOf,
    data: Sequence[str],
    dataset: str | None,
    registry_files: Sequence[Path],
) -> None:
    """One HTML file that opens in any browser without network access.

    It contains the leaderboards, charts, findings and images, and where the numbers come from; what
    is missing is named. Needs the extra `report`.
    """
    from harness.report.html.charts import needs

    formats = _formats(figure_formats)
    for module in ("altair", "vl_convert", "jinja2"):
        needs(module)
    from harness.library.results import results
    from harness.report.html.content import content
    from harness.report.html.page import html
    from harness.store.database import file_errors, snapshot

    reader = clean_reader(places(data), registry_files, dataset)
    with snapshot(db) as stored:
        found = content(
            stored, results(db), suite=suite, points=points, images=images, reader=reader
        )
    page = output / "index.html"
    with file_errors(page):
        output.mkdir(parents=True, exist_ok=True)
        page.write_text(html(found), "utf-8")
    echo(str(page))
    if figures:
        from harness.display.counted import counted
        from harness.report.html.export import Style, export

        style = Style(theme, figures, formats, found.labels)
        with counted("drawing figure") as step:
            written = export(found.figures.values(), output / "figures", step, style)
        echo(f"{len(written)} files in {output / 'figures'}", err=True)
    if found.provenance.gaps:
        echo(
            f"{found.provenance.complete} of {found.provenance.parts} cells are complete; the page"
            " lists what is missing",
            err=True,
        )


FORMATS = ("svg", "pdf", "png")
"""Of figures; a test compares them with what draws them, which is imported late."""


def _formats(text: str) -> list[str]:
    """The formats that --figure-formats names.

    Raises:
        ConfigError: there is no such one, or none at all.
    """
    found = list(dict.fromkeys(listed(text.lower())))
    wrong = [each for each in found if each not in FORMATS]
    if wrong or not found:
        raise ConfigError(
            f"{', '.join(wrong) or 'nothing'} is no format of figures",
            where="--figure-formats",
            hint=f"there are: {', '.join(FORMATS)}",
        )
    return found


def clean_reader(
    folders: dict[str, Path], registry_files: Sequence[Path], own: str | None = None
) -> Reader:
    """Reads clean images through the registry's datasets and ``own``, opened on first use."""
    opened: dict[str, Dataset] = {}

    def read(row: SavedExample) -> Pixels:
        from harness.api import Cut, Sample
        from harness.api.classifier import channel_count
        from harness.execute.pixels import in_channels, packed, unpacked
        from harness.report.html.gallery import cut_of

        if row.dataset not in opened:
            known = _datasets(registry_files, own)
            opened[row.dataset] = _dataset(row.dataset, folders.get(row.dataset), known)
        dataset, sample = opened[row.dataset], Sample(row.outcome.image_id, row.outcome.label)
        if dataset.digest(sample) != row.digest:
            raise HarnessError("the clean image has changed since the run")
        how, cut = row.identity["preprocessing"], cut_of(row.identity)
        height, width = how["size"]
        image = dataset.read(sample, (height, width), Cut(**cut) if cut else None)
        channels = channel_count(how.get("channels", "rgb"))
        return unpacked(in_channels(packed(image), channels))

    return read


def _datasets(registry_files: Sequence[Path], own: str | None) -> Mapping[str, DatasetEntry]:
    from harness.plugins import installed
    from harness.registry import load
    from harness.resolve.datasets import with_own

    return with_own(load(registry_files), own, installed()).datasets


def _dataset(name: str, place: Path | None, known: Mapping[str, DatasetEntry]) -> Dataset:
    from harness.plugins import installed, unknown
    from harness.resolve.components import dataset_component

    if name not in known:
        raise unknown("dataset", name, known, see="--dataset READER:PATH")
    return dataset_component(known[name], installed(), root=place)[1]
