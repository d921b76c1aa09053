"""``harness export``: results as Parquet, CSV or JSON Lines; saved images as files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from harness.cli.export_images import IMAGE_FORMATS, SELECTED, export_images, images_of
from harness.cli.options import database, option
from harness.cli.verbs import verb
from harness.errors import ConfigError
from harness.store import export as exports
from harness.terminal import echo

STDOUT = Path("-")


@verb("export")
@option(
    "--what",
    type=click.Choice(list(exports.VIEWS)),
    default="outcomes",
    help="View to export. One row per: image and attack cell; image and model; image, measurement"
    " and value; image and transfer; pair of models; attack cell; class of a dataset.",
)
@click.option(
    "--images",
    is_flag=True,
    # No variable of the environment: HARNESS_IMAGES is a run's choice of images.
    help="Export saved adversarial examples instead, into a folder; PNG rounds them to 8 bits.",
)
@click.option(
    "--format",
    "format",
    # No variable of the environment: HARNESS_FORMAT is that of the tables.
    type=click.Choice([*exports.FORMATS, *IMAGE_FORMATS]),
    help="Default: the extension of FILE; with --images npz.",
)
@option(
    "--output",
    "-o",
    "output",
    type=click.Path(path_type=Path, allow_dash=True),
    required=True,
    metavar="FILE",
    help="Output file, created when it is complete; - is standard output. With --images a folder.",
)
@database()
@images_of
@click.pass_context
def export(
    context: click.Context,
    /,
    db: Path,
    what: str,
    images: bool,
    format: str | None,
    output: Path,
    **selected: str | None,
) -> None:
    """The columns are listed in docs/database.md. Rows are in no particular order."""
    if images:
        _refuse(context, ["what"], "--images exports images, not a view")
        export_images(db, format or "npz", output, **selected)
        return
    _refuse(context, SELECTED, "a view is exported as a whole; --images can be chosen")
    from harness.store.database import reading

    format = format or _by_name(output)
    if format not in exports.FORMATS:
        raise ConfigError(f"{format} is a format of images", where="--format", hint="--images")
    if output == STDOUT and format not in exports.TEXT:
        raise ConfigError(f"{format} is a binary format", where="--output -", hint="name a file")
    with reading(db) as stored:
        if output == STDOUT:
            rows = exports.write_text(stored, what, format, sys.stdout)
        else:
            rows = exports.export(stored, what, format, output)
    echo(f"{rows} rows of {exports.VIEWS[what]}", err=True)


def _refuse(context: click.Context, names: Sequence[str], because: str) -> None:
    """Refuse options that do not belong together, unless the environment sets them."""
    for name in names:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise ConfigError(because, where=f"--{name}", hint="leave out one of the two")


def _by_name(output: Path) -> str:
    """The format that the file's name ends with."""
    format = output.suffix.lstrip(".")
    if format not in exports.FORMATS:
        known = "|".join(exports.FORMATS)
        raise ConfigError(f"{str(output)!r} has no known extension", hint=f"--format {known}")
    return format
