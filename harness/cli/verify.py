"""``harness verify``: re-check stored results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import (
    data_places,
    database,
    option,
    output_format,
    own_dataset,
    registries,
)
from harness.cli.printing import show
from harness.cli.verbs import verb
from harness.cli.warned import note_changed_code
from harness.cli.workers import devices, one_device
from harness.errors import ExitCode
from harness.report.presentation import Field, present
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.audit.verify import Check
    from harness.report.presentation import Format

FIELDS: tuple[Field[Check], ...] = (
    Field("what", "check"),
    Field("of", "of"),
    Field("agree", "agree", numeric=True),
    Field("hair", "within tolerance", value=lambda check: check.ties, numeric=True),
    Field("wrong", "wrong", numeric=True),
    Field("skipped", "skipped", numeric=True),
)


@verb("verify")
@database()
@option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only N images per cell, the same ones every time.",
)
@option("--refit", is_flag=True, help="Also recompute measurements from their stored arrays.")
@option(
    "--repair",
    is_flag=True,
    help="First delete the entries of saved adversarial examples whose files are missing or"
    " damaged, so that a run computes them again, and remove orphaned files.",
)
@option("--models", metavar="GLOB,...", help="Only these models.")
@data_places("Path of a dataset; may be repeated.")
@own_dataset()
@registries()
@devices()
@output_format()
def verify(
    db: Path,
    sample: int | None,
    refit: bool,
    repair: bool,
    models: str | None,
    data: Sequence[str],
    dataset: str | None,
    registry_files: Sequence[Path],
    devices: str,
    format: Format,
) -> int:
    """Nothing is written without --repair.

    Artifact files are checked against their hashes; saved adversarial examples against the models
    (prediction and status) and the clean images (norms); with --refit, scores against the arrays
    that they were computed from. A model is skipped if its weights are missing or have changed.
    Verdicts that differ only by rounding errors count as "within tolerance". If something is wrong,
    stderr says what and the exit code is 1.
    """
    from harness.audit import verify as verification
    from harness.cli.selection import listed, places
    from harness.engine.device import resolve_device
    from harness.plugins import installed
    from harness.registry import load
    from harness.resolve.datasets import with_own
    from harness.store.database import reading

    scope = verification.Scope(
        models=listed(models),
        sample=sample,
        refit=refit,
        data=places(data),
        device=resolve_device(one_device(devices, "verify")),
    )

    def say(line: str) -> None:
        echo(line, err=True)

    registry = with_own(load(registry_files), dataset, installed())
    if repair:
        _repair(db, say)
    with reading(db) as stored:
        note_changed_code(stored)
        checks = verification.verify(stored, registry, installed(), scope, say)
    show(present(FIELDS, checks), format)
    return ExitCode.CELLS_FAILED if any(check.wrong for check in checks) else ExitCode.OK


def _repair(db: Path, say: Callable[[str], None]) -> None:
    from harness.store.database import reading
    from harness.store.lost import forget_lost
    from harness.store.write.writer import Writer

    with reading(db):
        pass  # a missing database is not created
    with Writer.open(db, command=["harness", *sys.argv[1:]]) as writer:
        found = forget_lost(writer.db)
    if found.files:
        say(
            f"deleted the entries of {found.images} saved adversarial examples in {found.files}"
            " missing or damaged files: a run of their suite computes them again"
        )
    if found.removed:
        say(f"removed {found.removed} orphaned files")
