"""``harness status``: the progress of a run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from harness.cli.facts import counts
from harness.cli.options import database, option, output_format
from harness.cli.verbs import verb
from harness.report.tables import Column, Format, render
from harness.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COLUMNS = (
    Column("key", "cell", lambda key: str(key)[:8]),
    Column("model", "model"),
    Column("attack", "attack"),
    Column("goal", "goal"),
    Column("done", "done", right=True),
    Column("images", "of", right=True),
    Column("statuses", "statuses", counts),
    Column("attempts", "attempts", right=True),
    Column("error", "last error"),
)


MODELS = (
    Column("model", "model"),
    Column("cells", "cells", right=True),
    Column("complete", "complete", right=True),
    Column("done", "done", right=True),
    Column("images", "of", right=True),
    Column("statuses", "statuses", counts),
)


@verb("status")
@database()
@option("--run", "number", type=int, metavar="N", help="Run; default: the latest.")
@click.option("--cells", is_flag=True, help="List all cells, including complete ones.")
@output_format()
def status(db: Path, number: int | None, cells: bool, format: Format) -> None:
    """One row per model, then the cells that are incomplete or had errors.

    JSON and CSV always hold all cells.
    """
    from harness.store.database import reading
    from harness.store.read.runs import find_run, run_cells

    with reading(db) as connection:
        run = find_run(connection, number)
        rows = run_cells(connection, run["run"])
    title = f"run {run['run']} · suite {run['suite']} · {run['status']}"
    if cells or format in ("json", "csv"):
        echo(render(_flat(rows) if format == "csv" else rows, COLUMNS, format, title=title))
    else:
        echo(render(_by_model(rows), MODELS, format, title=title))
        if wanting := [row for row in rows if row["error"] or row["done"] < row["images"]]:
            echo("\n" + render(wanting, COLUMNS, format))
    echo(total(run, rows), err=format in ("json", "csv"))


def _by_model(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is common to a model's cells."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["model"], []).append(row)
    return [
        {
            "model": model,
            "cells": len(members),
            "complete": sum(row["done"] == row["images"] for row in members),
            "done": sum(row["done"] for row in members),
            "images": sum(row["images"] for row in members),
            "statuses": sum((Counter(row["statuses"]) for row in members), Counter()),
        }
        for model, members in groups.items()
    ]


def total(run: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """One line over all cells."""
    done, images = sum(row["done"] for row in rows), sum(row["images"] for row in rows)
    complete = sum(row["done"] == row["images"] for row in rows)
    bad = {name: sum(row["statuses"].get(name, 0) for row in rows) for name in ("error", "invalid")}
    line = f"run {run['run']} {run['status']}: {done} of {images} images, "
    line += f"{complete} of {len(rows)} cells complete"
    found = {name: count for name, count in bad.items() if count}
    return f"{line}; {counts(found)} (`harness run --retry-errors`)" if found else line


def _flat(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "statuses": counts(row["statuses"])} for row in rows]
