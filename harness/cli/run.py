"""``harness run``: run a suite, or resume it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from harness import signals
from harness.cli.options import Decorator, data_places, database, option, registries, strict
from harness.cli.verbs import verb
from harness.errors import ConfigError, ExitCode
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.display.base import Display
    from harness.execute.run import Summary
    from harness.plugins import Catalog
    from harness.resolve.inventory import Inventory
    from harness.resolve.prepare import Request


def _decorated(command: Any, *options: Decorator) -> Any:
    """``command`` with ``options``, which its help shows in this order."""
    for decorate in reversed(options):
        command = decorate(command)
    return command


def needs(command: Any) -> Any:
    """The options that select the models and data of a run."""
    return _decorated(
        command,
        option("--suite", required=True, metavar="NAME", help="Suite to run."),
        option(
            "--models",
            metavar="GLOB,...",
            help="Only these models of the registry; LOADER:MODEL adds any other one"
            " (timm:TAG, onnx:FILE).",
        ),
        option(
            "--weights",
            multiple=True,
            metavar="[GLOB=]SOURCE",
            help="Source of the weights, for all models that have this source or for those that the"
            " glob matches; may be repeated.",
        ),
        data_places("Path of a dataset; may be repeated."),
        registries(),
    )


def selection(command: Any) -> Any:
    """The options that select what to run; shared by ``run`` and ``plan``."""
    return needs(
        _decorated(
            command,
            option("--attacks", metavar="GLOB,...", help="Only these attacks and measurements."),
            option("--goals", metavar="GOAL,...", help="Only these goals."),
            option("--images", metavar="ID,...", help="Only these images; globs are allowed."),
            option(
                "--limit",
                type=click.IntRange(min=1),
                metavar="N",
                help="Maximum number of images per cell.",
            ),
            option(
                "--seed",
                type=click.IntRange(0, 2**63 - 1),
                metavar="N",
                help="Override the suite's seed.",
            ),
            option(
                "--exact",
                type=int,
                is_flag=False,
                flag_value=32,
                metavar="[N]",
                help="Bitwise reproducible results: one thread, and N images (32) in every pass. N"
                " is part of the results' identity.",
            ),
            database(),
        )
    )


def request(
    *,
    suite: str,
    models: str | None,
    weights: Sequence[str],
    data: Sequence[str],
    attacks: str | None = None,
    goals: str | None = None,
    images: str | None = None,
    limit: int | None = None,
    seed: int | None = None,
    exact: int | None = None,
    eight_bit: bool = False,
) -> Request:
    """The selection options as a request, and ``run``'s --eight-bit.

    Raises:
        ConfigError: a goal, a NAME=PATH, a GLOB=SOURCE or --exact's number is malformed.
    """
    from harness.api import Goal
    from harness.plugins import unknown
    from harness.resolve.prepare import Request

    wanted = []
    for goal in listed(goals):
        if goal not in set(Goal):
            raise unknown("goal", goal, Goal, where="--goals", see="`harness attacks show NAME`")
        wanted.append(Goal(goal))
    if exact is not None and exact != 1 and (exact < 32 or exact % 32):
        # Vector instructions: the rest of an array is computed in another way.
        raise ConfigError(f"{exact} images per pass", where="--exact", hint="1, 32, 64, 96, ...")
    return Request(
        suite=suite,
        models=listed(models),
        weights=[_source(item) for item in weights],
        attacks=listed(attacks),
        goals=wanted,
        images=listed(images),
        limit=limit,
        seed=seed,
        data=places(data),
        eight_bit=eight_bit,
        exact=exact,
    )


def told_apart(asked: Request, db: Path) -> Request:
    """``asked`` with the weights behind model names in the database, where it names files."""
    if not db.is_file() or not any(":" in model for model in asked.models):
        return asked
    from harness.store.database import reading
    from harness.store.read.cells import model_weights

    with reading(db) as connection:
        return replace(asked, known=model_weights(connection.conn))


def places(data: Sequence[str]) -> dict[str, Path]:
    """The paths of datasets that --data gives.

    Raises:
        ConfigError: an item is not NAME=PATH.
    """
    found: dict[str, Path] = {}
    for item in data:
        name, equals, path = item.partition("=")
        if not (name and equals and path):
            raise ConfigError(f"{item!r} is not NAME=PATH", where="--data")
        found[name] = Path(path)
    return found


def _source(item: str) -> tuple[str | None, str]:
    """``[GLOB=]SOURCE`` as (glob, source)."""
    glob, equals, name = item.rpartition("=")
    if not name or (equals and not glob):
        raise ConfigError(f"{item!r} is not [GLOB=]SOURCE", where="--weights")
    return glob or None, name


def listed(text: str | None) -> list[str]:
    """The items of a comma-separated list."""
    return [item.strip() for item in (text or "").split(",") if item.strip()]


@verb("run")
@selection
@option("--device", default="auto", metavar="auto|cpu|cuda:0", help="Device to compute on.")
@option("--batch-size", default="auto", metavar="auto|N", help="Images per pass.")
@option(
    "--workers",
    default="auto",
    metavar="auto|N",
    help="Models run in parallel, each in a process with its share of the CPU cores. auto: as many"
    " as speed up small networks; one on a GPU.",
)
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
@option(
    "--progress",
    type=click.Choice(["auto", "rich", "plain", "json"]),
    default="auto",
    help="Progress display on stderr.",
)
def run(
    db: Path,
    registry_files: Sequence[Path],
    device: str,
    batch_size: str,
    workers: str,
    retry_errors: bool,
    fresh: bool,
    eight_bit: bool,
    available: bool,
    dry_run: bool,
    fail_fast: bool,
    strict: bool,
    progress: Literal["auto", "rich", "plain", "json"],
    **selected: Any,
) -> int:
    """Stored results are reused; the same command resumes an interrupted run."""
    size = auto_or_number(batch_size, "--batch-size", "batch size")
    if size is not None and selected["exact"] is not None:
        hint = "leave --batch-size out"
        raise ConfigError("it sets the number of images per pass", where="--exact", hint=hint)
    crew = auto_or_number(workers, "--workers", "number of workers")
    asked = told_apart(request(**selected, eight_bit=eight_bit), db)
    if dry_run:
        from harness.cli.plan import show_plan

        show_plan(
            asked,
            registry_files,
            db,
            "table",
            device=device,
            retry_errors=retry_errors,
            fresh=fresh,
        )
        return ExitCode.OK

    from harness.cli.placement import placements
    from harness.cli.readiness import fetch, require
    from harness.display import make_display
    from harness.engine import exact
    from harness.engine.device import resolve_device
    from harness.execute.run import run as run_plan
    from harness.execute.session import Settings
    from harness.plugins import installed
    from harness.registry import load
    from harness.resolve.inventory import check_requirements
    from harness.resolve.prepare import resolve
    from harness.store.write.writer import Writer

    if asked.exact is not None:
        exact.prepare()
    catalog, registry = installed(), load(registry_files)
    _warn_of_broken(catalog)
    wanted = check_requirements(asked, registry, catalog)
    inventory = require(wanted, available=available)
    settings = Settings(
        device=resolve_device(device),
        batch_size=size,
        retry_errors=retry_errors,
        fresh=fresh,
        fail_fast=fail_fast,
        workers=crew,
    )
    if inventory.all("downloadable"):  # what is wrong is said before gigabytes travel
        resolve(asked, registry, catalog, inventory, planning=True)
    command = ["harness", *sys.argv[1:]]
    with make_display(progress) as display:
        for line in _notes(wanted, inventory):
            display.say(line)
        inventory = fetch(inventory, catalog, display, available=available)
        resolved = resolve(asked, registry, catalog, inventory)
        with Writer.open(db, command=command) as writer, signals.last_act(writer.abandon):
            if writer.took_over:
                display.say(f"previous writer {writer.took_over} has exited; resuming")
            for name in resolved.plan.unavailable:
                display.say(f"{name!r} is not provided by any installed plugin; skipped")
            summary = run_plan(resolved, catalog, writer, display, settings, command=command)
        _report(summary, display, db)
        lacking = resolved.plan.unavailable
        if lacking:
            names = ", ".join(map(repr, lacking))
            display.say(f"done without {names}: not provided by any installed plugin")
        for line in placements(db, asked.suite, inventory.choice.ad_hoc):
            display.say(line)
    if strict and lacking and summary.exit_code == ExitCode.OK:
        return ExitCode.CELLS_FAILED
    return summary.exit_code


def _warn_of_broken(catalog: Catalog) -> None:
    for report in catalog.broken:
        plugin = f"plugin {report.name} ({report.distribution} {report.version})"
        echo(f"warning: {plugin} is {report.status}", err=True)


def _notes(wanted: Inventory, inventory: Inventory) -> list[str]:
    """What the user should know of the models before the run."""
    kept = {entry.name for entry in inventory.choice.models}
    out = [entry.name for entry in wanted.choice.models if entry.name not in kept]
    return [
        *inventory.choice.notes,
        *([f"skipped because their weights are missing: {', '.join(out)}"] if out else []),
    ]


def auto_or_number(text: str, option: str, what: str) -> int | None:
    """The number that such an option gives; None: auto.

    Raises:
        ConfigError: it is neither ``auto`` nor a number above 0.
    """
    if text == "auto":
        return None
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"{text!r} is not a {what}", where=option, hint="auto, or N >= 1")
    return int(text)


def _report(summary: Summary, display: Display, db: Path) -> None:
    for failure in summary.failures:
        display.say(f"failed: {failure}")
    if summary.failures:
        display.say("see `harness status`; `--retry-errors` recomputes failed images")
    for note in summary.notes:
        display.say(f"note: {note}")
    if summary.transfers:
        display.say(f"run {summary.run}: {summary.transfers} predictions of transfers computed")
    if summary.computed:
        display.say(
            f"run {summary.run}: {summary.computed} images computed in {summary.cells} cells, "
            f"{summary.found} found in {db}"
        )
    elif not summary.transfers:
        what = "nothing computed" if summary.lost else "nothing to do"
        display.say(f"run {summary.run}: {what}, {summary.found} images found in {db}")
    if summary.lost:
        first = summary.lost[0]
        display.say(
            f"{len(summary.lost)} files of saved adversarial examples are missing or damaged"
            f" ({first.file} {first.why}):"
            " `harness verify --repair` deletes their entries, and the same run computes them again"
        )
