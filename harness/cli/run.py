"""``harness run``: run a suite, or resume it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import signals
from harness.api import Devices
from harness.cli.options import option, strict
from harness.cli.selection import auto_or_number, missing_listed, request, selection
from harness.cli.verbs import verb
from harness.cli.warned import warn_of_broken
from harness.cli.watching import audience, watching
from harness.cli.workers import placement, workers
from harness.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from harness.display import Display, DisplayKind
    from harness.execute.run import Summary
    from harness.execute.session import Settings
    from harness.plugins import Catalog
    from harness.resolve.prepare import Resolved


@verb("run")
@selection
@workers
@option("--batch-size", default="auto", metavar="auto|N", help="Images per pass.")
@option("--retry-errors", is_flag=True, help="Recompute images with status error or invalid.")
@option("--fresh", is_flag=True, help="Delete the stored results of these cells first.")
@option(
    "--eight-bit",
    is_flag=True,
    help="Also evaluate the adversarial images after rounding to 8 bits.",
)
@option("--available", is_flag=True, help="Skip models whose weights are missing.")
@option("--dry-run", is_flag=True, help="Print the plan and exit.")
@strict()
@option("--fail-fast", is_flag=True, help="Stop at the first model that fails.")
@watching
def run(
    db: Path,
    registry_files: Sequence[Path],
    devices: str,
    executor: str,
    ray_address: str | None,
    gpus_per_worker: float | None,
    cpus_per_worker: int | None,
    image_timeout: float | None,
    worker_timeout: float,
    batch_size: str,
    retry_errors: bool,
    fresh: bool,
    eight_bit: bool,
    available: bool,
    dry_run: bool,
    fail_fast: bool,
    strict: bool,
    progress: DisplayKind,
    observe: Sequence[str],
    summary: Path | None,
    **selected: Any,
) -> int:
    """Stored results are reused; the same command resumes an interrupted run."""
    if dry_run:
        from harness.cli.plan import show_plan

        _images_per_pass(batch_size, selected["exact"])
        asked = request(**selected, eight_bit=eight_bit, db=db)
        stored = None if fresh else db
        places = Devices.parse(devices)
        show_plan(asked, registry_files, stored, devices=places, retry_errors=retry_errors)
        return ExitCode.OK
    with missing_listed(), audience(progress, observe, summary) as told:
        size = _images_per_pass(batch_size, selected["exact"])
        where = placement(
            devices=devices,
            ray_address=ray_address,
            gpus_per_worker=gpus_per_worker,
            cpus_per_worker=cpus_per_worker,
            worker_timeout=worker_timeout,
            image_timeout=image_timeout,
        )
        asked = request(**selected, eight_bit=eight_bit, db=db)

        from harness.engine import exact
        from harness.execute.executors.choice import check, own_device
        from harness.execute.session import Settings
        from harness.plugins import installed
        from harness.registry import load
        from harness.resolve.prepare import prepare

        if asked.exact is not None:
            exact.prepare()
        catalog, registry = installed(), load(registry_files)
        warn_of_broken(catalog)
        check(executor, where, catalog)
        device = own_device(executor, where, asked.numerics_in(registry.get_suite(asked.suite)))
        settings = Settings(
            device=device,
            batch_size=size,
            executor=executor,
            placement=where,
            retry_errors=retry_errors,
            fresh=fresh,
            fail_fast=fail_fast,
        )
        resolved = prepare(
            asked, registry, catalog, available=available, say=told.say, progress=told.download
        )
        done = _run(resolved, catalog, db, told, settings)
        for line in (*_outcome(done, db), *_afterword(resolved, db)):
            told.say(line)
        code = done.exit_code
        if strict and resolved.plan.unavailable and code == ExitCode.OK:
            code = ExitCode.CELLS_FAILED
        told.over(done, code)
    return code


def _images_per_pass(batch_size: str, exact: int | None) -> int | None:
    """What ``--batch-size`` says; None: auto.

    Raises:
        ConfigError: it is no number, or --exact sets it.
    """
    size = auto_or_number(batch_size, "--batch-size", "batch size")
    if size is not None and exact is not None:
        hint = "leave --batch-size out"
        raise ConfigError("it sets the number of images per pass", where="--exact", hint=hint)
    return size


def _run(
    resolved: Resolved, catalog: Catalog, db: Path, display: Display, settings: Settings
) -> Summary:
    from harness.execute.run import run as run_plan
    from harness.plugins import disabled_too
    from harness.store.write.writer import Writer

    command = ["harness", *sys.argv[1:]]
    with Writer.open(db, command=command) as writer, signals.last_act(writer.abandon):
        if writer.took_over:
            display.say(f"previous writer {writer.took_over} has exited; resuming")
        for name in resolved.plan.unavailable:
            lacking = f"{name!r} is not provided by any installed plugin"
            display.say(f"{lacking}{disabled_too()}; skipped")
        return run_plan(resolved, catalog, writer, display, settings, command=command)


def _outcome(summary: Summary, db: Path) -> list[str]:
    """What failed, what was computed, and what was found."""
    lines = [f"failed: {failure}" for failure in summary.failures]
    if summary.failures:
        lines.append("see `harness status`; `--retry-errors` recomputes failed images")
    lines += [f"note: {note}" for note in summary.notes]
    number = f"run {summary.run}"
    if summary.transfers:
        lines.append(f"{number}: {summary.transfers} predictions of transfers computed")
    if summary.computed:
        lines.append(
            f"{number}: {summary.computed} images computed in {summary.cells} cells, "
            f"{summary.found} found in {db}"
        )
    else:
        if summary.transfers:
            what = "no image to compute"
        else:
            what = "nothing computed" if summary.lost else "nothing to do"
        lines.append(f"{number}: {what}, {summary.found} images found in {db}")
    if summary.lost:
        first = summary.lost[0]
        lines.append(
            f"{len(summary.lost)} files of saved adversarial examples are missing or damaged"
            f" ({first.file} {first.why}):"
            " `harness verify --repair` deletes their entries, and the same run computes them again"
        )
    return lines


def _afterword(resolved: Resolved, db: Path) -> list[str]:
    """What the run did without, and where models that no registry names lie."""
    from harness.cli.placement import placements
    from harness.plugins import disabled_too

    lines = placements(db, resolved.plan.suite, resolved.ad_hoc)
    if lacking := resolved.plan.unavailable:
        names = ", ".join(map(repr, lacking))
        absent = f"not provided by any installed plugin{disabled_too()}"
        lines.insert(0, f"done without {names}: {absent}")
    return lines
