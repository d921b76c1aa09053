"""``harness runs``: the runs in the database."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from harness.cli.facts import Fact, listed, pairs
from harness.cli.options import database, output_format
from harness.cli.printing import show
from harness.cli.status import total
from harness.cli.verbs import group
from harness.report.presentation import Field, Format, present

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FIELDS: tuple[Field[Mapping[str, Any]], ...] = (
    Field("run", "run", numeric=True),
    Field("suite", "suite"),
    Field("part", "part"),
    Field("status", "status"),
    Field("exit_code", "exit code", numeric=True),
    Field("cells", "cells", numeric=True),
    Field("images", "images", numeric=True),
    Field("seed", "seed", numeric=True),
    Field("started", "started"),
    Field("finished", "finished"),
)


runs = group("runs")


@runs.command("list")
@database()
@output_format()
def list_runs(db: Path, format: Format) -> None:
    """List all runs, latest first."""
    from harness.store.database import reading
    from harness.store.read import runs as views

    with reading(db) as connection:
        rows = views.runs(connection)
    show(present(FIELDS, rows, document=rows), format)


@runs.command("show")
@click.argument("number", metavar="RUN", type=int)
@database()
@output_format()
def show_run(db: Path, number: int, format: Format) -> None:
    """Show one run: command, environment, broken plugins, progress."""
    from harness.store.database import reading
    from harness.store.read import runs as views

    with reading(db) as connection:
        run = views.run_detail(connection, number)
    facts: list[Fact] = [
        ("suite", run["suite"]),
        ("part", run["part"]),
        ("command", shlex.join(run["command"])),
        ("status", run["status"]),
        ("exit code", None if run["exit_code"] is None else str(run["exit_code"])),
        ("started", run["started"]),
        ("finished", run["finished"]),
        ("seed", str(run["seed"])),
        ("images", str(run["images"])),
        ("cells", total(run, run["cells"])),
        *((f"environment: {name}", _text(value)) for name, value in run["environment"].items()),
        *(
            (f"broken plugin: {error['plugin']}",
             f"{error['distribution']} {error['version']}, at {error['stage']}: {error['cause']}")
            for error in run["plugin_errors"]
        ),
    ]  # fmt: skip
    show(listed(facts, run, title=f"run {number}"), format)


def _text(value: object) -> str | None:
    return pairs(value) if isinstance(value, dict) else str(value)
