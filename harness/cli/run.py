"""``harness run``: run a suite, or go on with it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

import click

from harness.cli.options import database, option, registries
from harness.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from harness.display.base import Display
    from harness.schedule.resolve import Request
    from harness.schedule.run import Summary


def selection(command: Any) -> Any:
    """The options that say what to run; shared by ``run`` and ``plan``."""
    for decorate in reversed(
        [
            option("--suite", required=True, metavar="NAME", help="The suite to run."),
            option("--models", metavar="GLOB,...", help="Only these models of the registry."),
            option("--attacks", metavar="GLOB,...", help="Only these attacks of the suite."),
            option("--goals", metavar="GOAL,...", help="Only these goals."),
            option(
                "--limit", type=click.IntRange(min=1), metavar="N", help="Images a cell, at most."
            ),
            option("--seed", type=int, metavar="N", help="Instead of the suite's seed."),
            option(
                "--data",
                multiple=True,
                metavar="NAME=PATH",
                help="Where a data set lies; may be repeated.",
            ),
            registries(),
            database(),
        ]
    ):
        command = decorate(command)
    return command


def request(
    *,
    suite: str,
    models: str | None,
    attacks: str | None,
    goals: str | None,
    limit: int | None,
    seed: int | None,
    data: Sequence[str],
) -> Request:
    """The selection options as a request.

    Raises:
        ConfigError: a goal or a NAME=PATH is malformed.
    """
    from harness.api import Goal
    from harness.plugins import unknown
    from harness.schedule.resolve import Request

    places: dict[str, Path] = {}
    for item in data:
        name, equals, path = item.partition("=")
        if not (name and equals and path):
            raise ConfigError(f"{item!r} is not NAME=PATH", where="--data")
        places[name] = Path(path)
    wanted = []
    for goal in _listed(goals):
        if goal not in set(Goal):
            raise unknown("goal", goal, Goal, where="--goals", see="`harness attacks show NAME`")
        wanted.append(Goal(goal))
    return Request(
        suite=suite,
        models=_listed(models),
        attacks=_listed(attacks),
        goals=wanted,
        limit=limit,
        seed=seed,
        data=places,
    )


def _listed(text: str | None) -> list[str]:
    return [item.strip() for item in (text or "").split(",") if item.strip()]


@click.command()
@selection
@option("--device", default="auto", metavar="auto|cpu|cuda:0", help="Where to compute.")
@option("--batch-size", default="auto", metavar="auto|N", help="Images in one pass.")
@option("--retry-errors", is_flag=True, help="Redo images whose status is error or invalid.")
@option("--fresh", is_flag=True, help="Forget the stored results of these cells first.")
@option("--dry-run", is_flag=True, help="Say what would be computed, and stop.")
@option("--fail-fast", is_flag=True, help="Stop at the first model that fails.")
@option(
    "--progress",
    type=click.Choice(["auto", "rich", "plain", "json"]),
    default="auto",
    help="How progress is shown on stderr.",
)
def run(
    db: Path,
    registry_files: Sequence[Path],
    device: str,
    batch_size: str,
    retry_errors: bool,
    fresh: bool,
    dry_run: bool,
    fail_fast: bool,
    progress: Literal["auto", "rich", "plain", "json"],
    **selected: Any,
) -> int:
    """Run a suite. What is stored already is not computed again; an interrupted run goes on."""
    size = _batch_size(batch_size)
    asked = request(**selected)
    if dry_run:
        from harness.cli.plan import show_plan

        show_plan(asked, registry_files, db, "table", retry_errors=retry_errors, fresh=fresh)
        return ExitCode.OK

    from harness.display import make_display
    from harness.plugins import installed
    from harness.registry import load
    from harness.schedule.devices import resolve_device
    from harness.schedule.resolve import resolve
    from harness.schedule.run import Settings
    from harness.schedule.run import run as run_plan
    from harness.store.writer import Writer

    catalog = installed()
    for report in catalog.broken:
        click.echo(f"warning: plugin {report.name} ({report.distribution} {report.version}) "
                   f"is {report.status}", err=True)  # fmt: skip
    resolved = resolve(asked, load(registry_files), catalog)
    settings = Settings(
        device=resolve_device(device),
        batch_size=size,
        retry_errors=retry_errors,
        fresh=fresh,
        fail_fast=fail_fast,
    )
    command = ["harness", *sys.argv[1:]]
    signal.signal(signal.SIGTERM, _interrupt)
    with Writer.open(db, command=command) as writer, make_display(progress) as display:
        if writer.took_over:
            display.say(f"taking over from {writer.took_over}, which is gone")
        for name in resolved.plan.unavailable:
            display.say(f"no installed plugin offers {name!r}: going on without it")
        summary = run_plan(resolved, catalog, writer, display, settings, command=command)
        _report(summary, display, db)
    return summary.exit_code


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(
            f"{text!r} is not a batch size", where="--batch-size", hint="auto, or N >= 1"
        )
    return int(text)


def _report(summary: Summary, display: Display, db: Path) -> None:
    for failure in summary.failures:
        display.say(f"failed: {failure}")
    if summary.failures:
        display.say("see `harness status`; `--retry-errors` computes failed images again")
    if summary.computed:
        display.say(
            f"run {summary.run}: {summary.computed} images computed in {summary.cells} cells, "
            f"{summary.found} found in {db}"
        )
    else:
        display.say(f"run {summary.run}: nothing to do, {summary.found} images found in {db}")
