"""``harness status``: the progress of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from harness.api.records import FAILED
from harness.cli.facts import counts
from harness.cli.options import database, option, output_format
from harness.cli.printing import show
from harness.cli.verbs import verb
from harness.cli.warned import note_changed_code
from harness.report.presentation import Field, Format, present

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.store.workers import WorkerRow

Row = Mapping[str, Any]

CELLS: tuple[Field[Row], ...] = (
    Field("key", "cell", text=lambda row: row["key"][:8]),
    Field("model", "model"),
    Field("attack", "attack"),
    Field("goal", "goal"),
    Field("done", "done", numeric=True),
    Field("images", "of", numeric=True),
    Field("statuses", "statuses", value=lambda row: counts(row["statuses"])),
    Field("attempts", "attempts", numeric=True),
    Field("error", "last error"),
)

MODELS: tuple[Field[Row], ...] = (
    Field("model", "model"),
    Field("cells", "cells", numeric=True),
    Field("complete", "complete", numeric=True),
    Field("done", "done", numeric=True),
    Field("images", "of", numeric=True),
    Field("statuses", "statuses", value=lambda row: counts(row["statuses"])),
)

WORKERS: tuple[Field[WorkerRow], ...] = (
    Field("number", "worker", numeric=True),
    Field("host", "host"),
    Field("device", "device"),
    Field("model", "model"),
    Field("task", "task"),
    Field("images", "images", numeric=True),
    Field("images_per_second", "images/s", show=lambda rate: f"{rate:.1f}", numeric=True),
    Field("heard", "last heard (UTC)"),
    Field("ended", "lost"),
)


@verb("status")
@database()
@option("--run", "number", type=int, metavar="N", help="Run; default: the latest.")
@click.option("--cells", is_flag=True, help="List all cells, including complete ones.")
@click.option("--workers", "who", is_flag=True, help="List the run's workers alone.")
@output_format()
def status(db: Path, number: int | None, cells: bool, who: bool, format: Format) -> None:
    """One row per model, then the cells that are incomplete or had errors, then the workers.

    A part of a run (`harness run --shard`) is shown with all parts that are stored. JSON and CSV
    always hold all cells. Workers are those of a run that goes on; of others those that were lost.
    """
    from harness.store import workers
    from harness.store.database import reading
    from harness.store.read.parts import lacking
    from harness.store.read.runs import find_run, run_cells

    with reading(db) as connection:
        run = find_run(connection, number)
        rows = run_cells(connection, run["run"])
        crew = workers.read(connection, run["run"])
        note_changed_code(connection)
        lacks = lacking(connection.conn, run["suite"], run["run"]) if run["part"] else []
    part = f" · part {run['part']}" if run["part"] else ""
    title = f"run {run['run']} · suite {run['suite']}{part} · {run['status']}"
    if who:
        show(present(WORKERS, crew, title=title), format)
        return
    notes = [total(run, rows), *map(str, lacks)]
    if cells or format in ("json", "csv"):
        show(present(CELLS, rows, title=title, notes=notes, document=rows), format)
        return
    wanting = [row for row in rows if row["error"] or row["done"] < row["images"]]
    parts = [present(CELLS, wanting)] if wanting else []
    if run["status"] != "running":  # the others are gone, and all is said of them
        crew = [worker for worker in crew if worker.ended]
    parts += [present(WORKERS, crew)] if crew else []
    show(present(MODELS, _by_model(rows), title=title, notes=notes, parts=parts), format)


def _by_model(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One row per model: the sums over its cells."""
    groups: dict[str, list[Row]] = {}
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


def total(run: Row, rows: Sequence[Row]) -> str:
    """One line over all cells."""
    done, images = sum(row["done"] for row in rows), sum(row["images"] for row in rows)
    complete = sum(row["done"] == row["images"] for row in rows)
    bad = {each.value: sum(row["statuses"].get(each, 0) for row in rows) for each in FAILED}
    of_parts = " with all stored parts" if run["part"] else ""
    line = f"run {run['run']} {run['status']}{of_parts}: {done} of {images} images, "
    line += f"{complete} of {len(rows)} cells complete"
    found = {name: count for name, count in bad.items() if count}
    return f"{line}; {counts(found)} (`harness run --retry-errors`)" if found else line
