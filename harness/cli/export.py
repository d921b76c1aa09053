"""``harness export``: what is stored, as a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from harness.cli.options import database, option
from harness.errors import ConfigError
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.store.export import Format

FORMATS = ("parquet", "csv", "jsonl")
STDOUT = Path("-")


@click.command()
@option(
    "--what",
    type=click.Choice(["outcomes", "clean", "readings", "transfers", "pairs", "leaderboard"]),
    default="outcomes",
    help="Which view: a row an image and attack cell; an image and model; an image, measurement and"
    " number; an image and transfer; a pair of models; an attack cell.",
)
@click.option(
    "--format",
    "format",
    # No variable of the environment: HARNESS_FORMAT is that of the tables.
    type=click.Choice(FORMATS),
    help="By default what the name of FILE ends with.",
)
@option(
    "--output",
    "-o",
    "output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    metavar="FILE",
    help="The file, which appears when it is complete; - is the standard output.",
)
@database()
def export(db: Path, what: str, format: Format | None, output: Path) -> None:
    """Write a documented view of the database as Parquet, CSV or JSON lines.

    docs/database.md lists the columns. Rows are in no order.
    """
    format = format or _by_name(output)
    if output == STDOUT and format == "parquet":
        raise ConfigError("Parquet is no text", where="--output -", hint="name a file")
    import sys

    from harness.store import export as exports
    from harness.store.database import reading

    with reading(db) as stored:
        if format != "parquet" and output == STDOUT:
            rows = exports.write_text(stored, what, format, sys.stdout)
        else:
            rows = exports.export(stored, what, format, output)
    echo(f"{rows} rows of {exports.VIEWS[what]}", err=True)


def _by_name(output: Path) -> Format:
    """The format that the file's name ends with."""
    format = output.suffix.lstrip(".")
    if format not in FORMATS:
        raise ConfigError(
            f"{str(output)!r} does not say in which format", hint=f"--format {'|'.join(FORMATS)}"
        )
    return cast("Format", format)
