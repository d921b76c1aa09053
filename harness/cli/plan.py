"""``harness plan``: what a run would do, how much of it is stored, and what the rest costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.doctor import to_download
from harness.cli.options import option, output_format
from harness.cli.readiness import require
from harness.cli.run import request, selection, told_apart
from harness.cli.verbs import verb
from harness.report.quantities import flop, si, size, span
from harness.report.tables import Column, Format, render
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.api import Passes
    from harness.estimate.calibrate import Calibration
    from harness.estimate.cost import Cost
    from harness.execute.pending import Forwards, Pending
    from harness.planning import Cell
    from harness.resolve.inventory import Inventory
    from harness.resolve.prepare import Request, Resolved

    _Priced = tuple[Cell | Forwards, Cost]

_COST = (
    Column("pending", "pending", right=True),
    Column("forwards", "forward passes", si, right=True),
    Column("backwards", "backward passes", si, right=True),
    Column("flops", "FLOPs", flop, right=True),
    Column("seconds", "time", span, right=True),
    Column("kept_bytes", "artifacts", size, right=True),
)
ATTACKS = (
    Column("attack", "attack"),
    Column("goal", "goal"),
    Column("cells", "cells", right=True),
    Column("images", "images", right=True),
    Column("stored", "stored", right=True),
    *_COST,
)
MODELS = (
    Column("model", "model"),
    Column("source", "source"),
    Column("forward_flops", "forward FLOPs", flop, right=True),
    Column("gradient_flops", "forward + backward FLOPs", flop, right=True),
    *_COST,
)


@verb("plan")
@selection
@option("--device", default="auto", metavar="auto|cpu|cuda:0", help="Device that would compute.")
@option(
    "--no-calibration",
    is_flag=True,
    help="Measure nothing now: FLOPs and times only for models measured earlier.",
)
@output_format()
def plan(
    db: Path,
    registry_files: Sequence[Path],
    device: str,
    no_calibration: bool,
    format: Format,
    **selected: Any,
) -> None:
    """Takes the same options as `harness run`.

    The numbers of passes are upper bounds. Each model's passes are measured once, for a few seconds
    and with random weights; the results are kept in the user's cache.
    """
    asked = told_apart(request(**selected), db)
    show_plan(asked, registry_files, db, format, device=device, measure=not no_calibration)


def show_plan(
    asked: Request,
    registry_files: Sequence[Path],
    db: Path,
    format: Format,
    *,
    device: str,
    retry_errors: bool = False,
    fresh: bool = False,
    measure: bool = False,
) -> None:
    """Print one row per attack and goal, and one per model; the database is only read."""
    from harness.estimate.calibrate import calibrate
    from harness.execute.pending import pending_in
    from harness.plugins import installed
    from harness.registry import load
    from harness.resolve.classes import misfits
    from harness.resolve.inventory import check_requirements
    from harness.resolve.prepare import resolve

    catalog, registry = installed(), load(registry_files)
    inventory = check_requirements(asked, registry, catalog)
    if inventory.dataset is None:  # the images are part of the plan, the weights are not
        inventory = require(inventory, available=False)
    resolved = resolve(asked, registry, catalog, inventory, planning=True)
    left = pending_in(
        None if fresh else db, resolved.plan, resolved.dataset, retry_errors=retry_errors
    )
    busy = {cell.model.name for cell in resolved.plan.cells if left.cells[cell.key]}
    busy |= {each.model.name for each, images in left.transfers if images}
    calibration = calibrate(
        resolved, busy, device, measure=measure, say=lambda line: echo(line, err=True)
    )
    priced = _priced(resolved, left, calibration)
    _print(resolved, priced, calibration, format)
    for line in (*_not_here(inventory), *misfits(inventory.choice.models, resolved.dataset)):
        echo(line, err=True)
    for name in resolved.plan.unavailable:
        echo(f"{name!r} is not provided by any installed plugin; a run skips it", err=True)


def _priced(
    resolved: Resolved,
    left: Pending,
    calibration: Calibration,
) -> list[_Priced]:
    """Every cell, and every part of the transfers, with the cost of its pending images."""
    from harness.estimate.cost import CLEAN, cell_cost, forwards_cost
    from harness.estimate.passes import PassCosts

    priced: list[_Priced] = []
    for cell in resolved.plan.cells:
        passes: Passes | None = CLEAN
        if cell.attack is not None:
            passes = resolved.attacks[cell.attack.label].passes
        elif cell.measurement is not None and cell.goal is not None:
            measurement = resolved.measurements[cell.measurement.label]
            passes = measurement.passes(cell.goal, cell.model.identity["classes"])
        figures = calibration.figures.get(cell.model.name, PassCosts())
        priced.append((cell, cell_cost(cell, len(left.cells[cell.key]), passes, figures)))
    for each, images in left.transfers:
        figures = calibration.figures.get(each.model.name, PassCosts())
        priced.append((each, forwards_cost(each.model.name, images, figures)))
    return priced


def _print(
    resolved: Resolved,
    priced: Sequence[_Priced],
    calibration: Calibration,
    format: Format,
) -> None:
    from harness.estimate.cost import total

    attacks, models = _by_attack(priced), _by_model(priced, calibration)
    overall = total(cost for _, cost in priced)
    if format == "json":
        whole = {
            "suite": resolved.plan.suite,
            "device": calibration.device,
            "attacks": attacks,
            "models": models,
            "total": _row(list(priced)),
            "unknown_models": calibration.without,
            "unknown_attacks": sorted(overall.without_passes),
            "unavailable": list(resolved.plan.unavailable),
        }
        echo(json.dumps(whole, indent=2, allow_nan=False))
    else:
        echo(render(attacks, ATTACKS, format))
    if format in ("table", "md"):
        echo("\n" + render(models, MODELS, format))
    cells, pairs = len(resolved.plan.cells), len(resolved.plan.pairs)
    echo(
        f"suite {resolved.plan.suite}: {len(models)} models, {cells} cells, "
        f"{f'{pairs} pairs, ' if pairs else ''}"
        f"{sum(row['images'] for row in attacks)} images, {overall.images} pending",
        err=format != "table",
    )
    for line in _totals(overall, calibration):
        echo(line, err=format != "table")


def _totals(overall: Cost, calibration: Calibration) -> list[str]:
    """The overall cost: totals that are complete, and what the others lack."""
    if not overall.images:
        return []
    untold = ", ".join(sorted(overall.without_passes))
    passes = f"{si(overall.forwards)} forward and {si(overall.backwards)} backward passes"
    price = [
        *([] if untold else [passes]),
        *([] if overall.without_flops else [flop(overall.flops)]),
        *([] if overall.without_seconds else [f"{span(overall.seconds)} on {calibration.device}"]),
    ]
    kept = f"{size(overall.kept_bytes)} of saved adversarial examples"
    lines = [f"at most {', '.join(price)}; {kept}" if price else kept]
    if untold:
        lines.append(f"no total of passes, because these do not declare theirs: {untold}")
    reasons: dict[str, list[str]] = {}
    for name in sorted(overall.without_flops | overall.without_seconds):
        reasons.setdefault(calibration.without.get(name, "incomplete"), []).append(name)
    what = _lacking(overall)
    for reason, members in reasons.items():
        count = "1 model" if len(members) == 1 else f"{len(members)} models"
        lines.append(f"no total of {what} without {count}, {reason}: {', '.join(members)}")
    return lines


def _lacking(overall: Cost) -> str:
    """Which totals lack models."""
    names = (("FLOPs", overall.without_flops), ("time", overall.without_seconds))
    return " and ".join(name for name, without in names if without)


def _not_here(inventory: Inventory) -> list[str]:
    """The models whose weights are missing or still to be downloaded."""
    lines = list(inventory.choice.notes)
    if wanted := inventory.all("downloadable"):
        lines.append(f"{to_download(wanted)}, downloaded by the run itself")
    if names := [row.name for row in inventory.all("missing")]:
        lines.append(f"missing weights, see `harness doctor`: {', '.join(names)}")
    return lines


def _by_attack(priced: Sequence[_Priced]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[_Priced]] = {}
    for each, cost in priced:
        groups.setdefault(_kind(each), []).append((each, cost))
    return [
        {"attack": attack, "goal": goal, **_row(members)}
        for (attack, goal), members in groups.items()
    ]


def _kind(each: Cell | Forwards) -> tuple[str, str]:
    """What is done, and for which goal."""
    from harness.planning import Cell, Pair

    if isinstance(each, Cell):
        return each.task.label if each.task else "clean prediction", str(each.goal or "–")
    return "transfer" if isinstance(each, Pair) else "adapted clean prediction", "–"


def _by_model(priced: Sequence[_Priced], calibration: Calibration) -> list[dict[str, Any]]:
    from harness.estimate.passes import PassCosts

    groups: dict[str, list[_Priced]] = {}
    for each, cost in priced:
        groups.setdefault(each.model.name, []).append((each, cost))
    return [
        {
            "model": name,
            "source": members[0][0].model.about["source"],
            **asdict(calibration.figures.get(name, PassCosts())),
            **_row(members),
        }
        for name, members in groups.items()
    ]


def _row(members: Sequence[_Priced]) -> dict[str, Any]:
    """The cost of some cells or transfers, JSON-like; None where not all of it is known."""
    from harness.estimate.cost import total

    cost = total(cost for _, cost in members)
    images = sum(len(each.images) for each, _ in members)
    return {
        "cells": len(members),
        "images": images,
        "stored": images - cost.images,
        "pending": cost.images,
        "forwards": None if cost.without_passes else cost.forwards,
        "backwards": None if cost.without_passes else cost.backwards,
        "flops": None if cost.without_flops else cost.flops,
        "seconds": None if cost.without_seconds else cost.seconds,
        "kept_bytes": cost.kept_bytes,
        "without_passes": sorted(cost.without_passes),
        "without_flops": sorted(cost.without_flops),
        "without_seconds": sorted(cost.without_seconds),
    }
