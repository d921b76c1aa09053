"""``harness plan``: what a run would do, and how much of it is stored already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.doctor import to_download
from harness.cli.options import output_format
from harness.cli.readiness import demand
from harness.cli.run import request, selection
from harness.report.tables import Column, Format, render

if TYPE_CHECKING:
    from harness.schedule.requirements import Inventory
    from harness.schedule.resolve import Request, Resolved

COLUMNS = (
    Column("attack", "attack"),
    Column("goal", "goal"),
    Column("cells", "cells", right=True),
    Column("images", "images", right=True),
    Column("stored", "stored", right=True),
    Column("pending", "to do", right=True),
    Column("kept", "kept MB", "{:.1f}".format, right=True),
)


@click.command()
@selection
@output_format()
def plan(db: Path, registry_files: Sequence[Path], format: Format, **selected: Any) -> None:
    """What `harness run` with the same options would do."""
    show_plan(request(**selected), registry_files, db, format)


def show_plan(
    asked: Request,
    registry_files: Sequence[Path],
    db: Path,
    format: Format,
    *,
    retry_errors: bool = False,
    fresh: bool = False,
) -> None:
    """Print a row for each attack and goal; writes nothing."""
    from harness.plugins import installed
    from harness.registry import load
    from harness.schedule.requirements import take_stock
    from harness.schedule.resolve import resolve

    catalog, registry = installed(), load(registry_files)
    stock = take_stock(asked, registry, catalog)
    if stock.dataset is None:  # the images are part of the plan, the weights are not
        stock = demand(stock, available=False)
    resolved = resolve(asked, registry, catalog, stock, planning=True)
    stored = {} if fresh else _stored(resolved, db, retry_errors)
    rows = _rows(resolved, stored)
    click.echo(render(rows, COLUMNS, format))
    cells, images = len(resolved.plan.cells), sum(row["images"] for row in rows)
    click.echo(
        f"suite {resolved.plan.suite}: {len(resolved.plan.models)} models, {cells} cells, "
        f"{images} images, {sum(row['pending'] for row in rows)} to do",
        err=format != "table",
    )
    for line in _not_here(stock):
        click.echo(line, err=True)
    for name in resolved.plan.unavailable:
        click.echo(f"no installed plugin offers {name!r}: a run goes on without it", err=True)


def _not_here(stock: Inventory) -> list[str]:
    """The models whose weights are not here."""
    lines = list(stock.choice.notes)
    if wanted := stock.all("downloadable"):
        lines.append(f"{to_download(wanted)}, by the run itself")
    if names := [row.name for row in stock.all("missing")]:
        lines.append(f"weights are missing, see `harness doctor`: {', '.join(names)}")
    return lines


def _stored(resolved: Resolved, db: Path, retry_errors: bool) -> dict[str, int]:
    """How many images of each cell (by key) the database holds already."""
    if not db.exists():
        return {}
    from harness.schedule.images import Images
    from harness.schedule.run import digests_of, pending
    from harness.store.database import reading

    digests = digests_of(resolved.plan.cells, Images(resolved.dataset))
    with reading(db) as connection:
        return {
            cell.key: len(cell.images)
            - len(pending(cell, digests, connection, retry_errors=retry_errors))
            for cell in resolved.plan.cells
        }


def _rows(resolved: Resolved, stored: dict[str, int]) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for cell in resolved.plan.cells:
        attack = cell.task.label if cell.task else "clean prediction"
        goal = str(cell.goal) if cell.goal else "–"
        row = rows.setdefault(
            (attack, goal),
            {"attack": attack, "goal": goal, "cells": 0, "images": 0, "stored": 0, "kept": 0.0},
        )
        row["cells"] += 1
        row["images"] += len(cell.images)
        row["stored"] += stored.get(cell.key, 0)
        if cell.attack and cell.attack.keep:
            channels, height, width = cell.model.about["shape"]
            row["kept"] += len(cell.images) * channels * height * width * 4 / 1e6
    for row in rows.values():
        row["pending"] = row["images"] - row["stored"]
    return list(rows.values())
