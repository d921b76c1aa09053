"""``harness doctor``: what a run needs, and how to get what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.options import output_format, strict
from harness.cli.printing import show
from harness.cli.selection import needs, request
from harness.cli.verbs import verb
from harness.errors import ExitCode
from harness.report.presentation import Format
from harness.report.requirements import requirements_table

if TYPE_CHECKING:
    from harness.resolve.inventory import Inventory


@verb("doctor")
@needs
@strict()
@output_format()
def doctor(registry_files: Sequence[Path], strict: bool, format: Format, **selected: Any) -> int:
    """Lists weights and data, and how to get those that are missing.

    Creates nothing and uses no network. The exit code is 3 if something is missing that the run
    cannot download by itself.
    """
    from harness.plugins import installed
    from harness.registry import load
    from harness.resolve.classes import misfits
    from harness.resolve.inventory import check_requirements, with_sources

    asked = request(**selected)
    registry, catalog = load(registry_files), installed()
    inventory = check_requirements(asked, registry, catalog)
    inventory = with_sources(inventory, registry, catalog)
    unfit: list[str] = []
    if inventory.dataset is not None:
        unfit = list(misfits(inventory.choice.models, inventory.dataset[1]))
    notes = (*inventory.choice.notes, *unfit, *_verdict(inventory, asked.suite))
    show(requirements_table(inventory.rows, notes), format)
    if inventory.all("missing"):
        return ExitCode.MISSING
    return ExitCode.CELLS_FAILED if strict and (unfit or inventory.unoffered) else ExitCode.OK


def _verdict(inventory: Inventory, suite: str) -> list[str]:
    """The total download, and what to do."""
    from harness.plugins import disabled_too

    missing = inventory.all("missing")
    lines = [inventory.to_download] if inventory.to_download else []
    if inventory.unoffered:
        names = ", ".join(inventory.unoffered)
        off = disabled_too()
        lines.append(f"not provided by any installed plugin{off}, and skipped by a run: {names}")
    if missing:
        todo = "get them as described in the table"
        if any(row.kind == "model" for row in missing):
            todo += ", choose another source with --weights"
            todo += ", or skip them (--available)" if inventory.dataset else ""
        return [*lines, f"{len(missing)} of {len(inventory.rows)} requirements are missing: {todo}"]
    first = "downloads them first" if inventory.to_download else "has everything it needs"
    return [*lines, f"`harness run --suite {suite}` {first}"]
