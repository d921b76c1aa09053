"""``harness export``: results as Parquet, CSV or JSON Lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from harness.cli.options import database, option
from harness.cli.verbs import verb
from harness.errors import ConfigError
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.store.export import Format

FORMATS = ("parquet", "csv", "jsonl")
STDOUT = Path("-")


@verb("export")
@option(
    "--what",
    type=click.Choice(["outcomes", "clean", "readings", "transfers", "pairs", "leaderboard"]),
    default="outcomes",
    help="View to export. One row per: image and attack cell; image and model; image, measurement"
    " and value; image and transfer; pair of models; attack cell.",
)
@click.option(
    "--format",
    "format",
    # No variable of the environment: HARNESS_FORMAT is that of the tables.
    type=click.Choice(FORMATS),
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
def export(db: Path, what: str, format: Format | None, output: Path) -> None:
    """The columns are listed in docs/database.md. Rows are in no particular order."""
    format = format or _by_name(output)
    if output == STDOUT and format == "parquet":
        raise ConfigError("Parquet is a binary format", where="--output -", hint="name a file")
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
            f"{str(output)!r} has no known extension", hint=f"--format {'|'.join(FORMATS)}"
        )
    return cast("Format", format)
