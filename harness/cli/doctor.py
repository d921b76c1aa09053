"""``harness doctor``: what a run needs, and how to get what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.options import output_format, strict
from harness.cli.run import needs, request
from harness.cli.verbs import verb
from harness.errors import ExitCode
from harness.report.tables import Column, Format, render
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.resolve.inventory import Inventory, Requirement

_COLUMNS = (
    Column("kind", "kind"),
    Column("name", "name"),
    Column("source", "source"),
    Column("fidelity", "fidelity"),
    Column("state", "state"),
    Column("bytes", "MB", lambda size: f"{size / 1e6:,.1f}", right=True),
    Column("licence", "licence"),
    Column("problem", "problem"),
    Column("how", "how to get it"),
)
_DATA = (*_COLUMNS, Column("path", "path"), Column("url", "url"))


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
    from harness.resolve.inventory import check_requirements

    asked = request(**selected)
    inventory = check_requirements(asked, load(registry_files), installed())
    echo(requirements_table(inventory.rows, format))
    unfit = (
        []
        if inventory.dataset is None
        else [*misfits(inventory.choice.models, inventory.dataset[1])]
    )
    for line in (*inventory.choice.notes, *unfit, *_verdict(inventory, asked.suite)):
        echo(line, err=format in ("json", "csv"))
    if inventory.all("missing"):
        return ExitCode.MISSING
    return ExitCode.CELLS_FAILED if strict and (unfit or inventory.unoffered) else ExitCode.OK


def requirements_table(rows: Sequence[Requirement], format: Format) -> str:
    """One row per model and dataset; without empty columns where people read it."""
    found = [
        {
            name: str(value) if isinstance(value, Path) else value if value != "" else None
            for name, value in asdict(row).items()
        }
        for row in rows
    ]
    columns = [c for c in _COLUMNS if any(row[c.key] is not None for row in found)]
    return render(found, columns if format in ("table", "md") else _DATA, format)


def _verdict(inventory: Inventory, suite: str) -> list[str]:
    """The total download, and what to do."""
    wanted, missing = inventory.all("downloadable"), inventory.all("missing")
    lines = [to_download(wanted)] if wanted else []
    if inventory.unoffered:
        names = ", ".join(inventory.unoffered)
        lines.append(f"not provided by any installed plugin, and skipped by a run: {names}")
    if missing:
        todo = "get them as described in the table"
        if any(row.kind == "model" for row in missing):
            todo += ", choose another source with --weights"
            todo += ", or skip them (--available)" if inventory.dataset else ""
        return [*lines, f"{len(missing)} of {len(inventory.rows)} requirements are missing: {todo}"]
    first = "downloads them first" if wanted else "has everything it needs"
    return [*lines, f"`harness run --suite {suite}` {first}"]


def to_download(rows: Sequence[Requirement]) -> str:
    """How much will be downloaded: ``to download: 3 files, 12.3 MB``."""
    total = sum(row.bytes or 0 for row in rows)
    unknown = sum(row.bytes is None for row in rows)
    files = "1 file" if len(rows) == 1 else f"{len(rows)} files"
    size = f"{total / 1e6:,.1f} MB" if unknown < len(rows) else "of unknown size"
    more = f", and {unknown} of unknown size" if 0 < unknown < len(rows) else ""
    return f"to download: {files}, {size}{more}"
