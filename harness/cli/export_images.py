"""``harness export --images``: saved adversarial examples as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.options import decorated
from harness.errors import ConfigError
from harness.terminal import echo

IMAGE_FORMATS = ("npz", "safetensors", "png")

SELECTED = ("suite", "models", "attacks", "goals")


def images_of(command: Any) -> Any:
    """The options that choose sets of saved images; without variables of the environment."""
    return decorated(
        command,
        click.option("--suite", metavar="NAME", help="With --images: of this suite's runs alone."),
        click.option("--models", metavar="GLOB,...", help="With --images: of these models."),
        click.option("--attacks", metavar="GLOB,...", help="With --images: made by these attacks."),
        click.option("--goals", metavar="GOAL,...", help="With --images: for these goals."),
    )


def export_images(
    db: Path,
    format: str,
    folder: Path,
    *,
    suite: str | None,
    models: str | None,
    attacks: str | None,
    goals: str | None,
) -> None:
    """Write the chosen sets into ``folder``.

    Raises:
        ConfigError: it is no format of images, or nothing is saved. StoreError: a file is damaged.
    """
    from harness.cli.selection import listed
    from harness.store.database import reading
    from harness.store.images import export_images as write
    from harness.store.read.kept import Choice, kept_sets

    if format not in IMAGE_FORMATS:
        known = "|".join(IMAGE_FORMATS)
        raise ConfigError(f"{format} is no format of images", where="--format", hint=known)
    if folder == Path("-") or folder.is_file():
        raise ConfigError("images are several files", where="--output", hint="name a folder")
    choice = Choice(suite, listed(models), listed(attacks), listed(goals))
    with reading(db) as stored:
        sets = kept_sets(stored, choice)
        if not sets:
            raise ConfigError(
                "no saved adversarial examples match",
                where=str(db),
                hint="a suite saves those of attacks with `keep: true`",
            )
        write(stored, sets, format, folder)
    images = sum(len(each.images) for each in sets)
    echo(f"{images} images of {len(sets)} attack cells in {folder}", err=True)
