"""``harness export``: results as Parquet, CSV or JSON Lines."""

from __future__ import annotations

import sys
from pathlib import Path

import click

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
    " and value; image and transfer; pair of models; attack cell.",
)
@click.option(
    "--format",
    "format",
    # No variable of the environment: HARNESS_FORMAT is that of the tables.
    type=click.Choice(exports.FORMATS),
    help="Default: the extension of FILE.",
)
@option(
    "--output",
    "-o",
    "output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    metavar="FILE",
    help="Output file, created when it is complete; - is standard output.",
)
@database()
def export(db: Path, what: str, format: str | None, output: Path) -> None:
    """The columns are listed in docs/database.md. Rows are in no particular order."""
    from harness.store.database import reading

    format = format or _by_name(output)
    if output == STDOUT and format not in exports.TEXT:
        raise ConfigError(f"{format} is a binary format", where="--output -", hint="name a file")
    with reading(db) as stored:
        if output == STDOUT:
            rows = exports.write_text(stored, what, format, sys.stdout)
        else:
            rows = exports.export(stored, what, format, output)
    echo(f"{rows} rows of {exports.VIEWS[what]}", err=True)


def _by_name(output: Path) -> str:
    """The format that the file's name ends with."""
    format = output.suffix.lstrip(".")
    if format not in exports.FORMATS:
        known = "|".join(exports.FORMATS)
        raise ConfigError(f"{str(output)!r} has no known extension", hint=f"--format {known}")
    return format
