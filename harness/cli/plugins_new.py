"""``harness plugins new``: a plugin package to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from harness.errors import ExitCode
from harness.scaffold.package import KINDS, LICENCES, Kind, Licence, Package
from harness.terminal import echo


@click.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the plugin offers.")
@click.option(
    "--licence",
    type=click.Choice(LICENCES),
    default="Apache-2.0",
    show_default=True,
    help="The licence that the package comes under.",
)
@click.option("--author", default="", help="Whom the licence names; by default git's user.name.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where to write it; by default ./NAME."
)
def new(name: str, kind: Kind, licence: Licence, author: str, folder: Path | None) -> int:
    """Write a complete plugin package: it installs and passes its tests as it is."""
    folder = folder or Path(name)
    package = Package(name=name, kind=kind, licence=licence, author=author)
    for path in package.write(folder):
        echo(str(folder / path))
    for line in (
        f"next: pip install -e '{folder}[test]', then pytest {folder}",
        "and `harness plugins list` shows it",
    ):
        echo(line, err=True)
    return ExitCode.OK
