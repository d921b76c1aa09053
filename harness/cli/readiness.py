"""The check before a run: stop, skip models, or download what is missing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.cli.doctor import requirements_table, to_download
from harness.errors import MissingError
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.display.base import Display
    from harness.plugins import Catalog
    from harness.resolve.inventory import Inventory


def require(inventory: Inventory, *, available: bool) -> Inventory:
    """``inventory`` if a run can begin with it; if ``available``, without the missing models.

    Raises:
        MissingError: something required is missing; a table on stderr lists it.
    """
    missing = inventory.all("missing")
    names = [row.name for row in missing if row.kind == "model"]
    without = inventory.without(names)
    if not missing or (available and inventory.dataset and without.choice.models):
        return without
    echo(requirements_table(missing, "table"), err=True)
    hint = "get them as described in the table"
    if inventory.dataset and without.choice.models:
        hint += ", or skip them with --available"
    if available and inventory.dataset:
        raise MissingError("no model is left", hint=hint)
    raise MissingError(
        f"{len(missing)} of {len(inventory.rows)} requirements are missing", hint=hint
    )


def fetch(
    inventory: Inventory, catalog: Catalog, display: Display, *, available: bool
) -> Inventory:
    """Download what can be; if ``available``, models whose download fails are skipped.

    Raises:
        MissingError: a download failed, or no model is left.
    """
    from harness.resolve.download import download

    rows = inventory.all("downloadable")
    entries = {entry.name: entry for entry in inventory.choice.models}
    failed = []
    if rows:
        display.say(to_download(rows))
    for row in rows:
        try:
            download(entries[row.name], catalog, partial(display.download, row.name))
        except MissingError as error:
            if not available:
                raise
            display.say(f"skipped: {error}")
            failed.append(row.name)
    kept = inventory.without(failed)
    if not kept.choice.models:
        raise MissingError("no model is left", hint="see `harness doctor`")
    return kept
