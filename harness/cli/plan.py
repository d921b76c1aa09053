"""``harness plan``: what a run would do, how much of it is stored, and what the rest costs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import Devices
from harness.cli.options import option, output_format
from harness.cli.printing import show
from harness.cli.selection import missing_listed, request, selection
from harness.cli.verbs import verb
from harness.cli.workers import devices
from harness.report.presentation import Field, Format, Presentation, present
from harness.report.quantities import flop, si, size, span
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.estimate.cost import Cost
    from harness.estimate.estimate import Estimate
    from harness.execute.driver.makespan import Makespan
    from harness.execute.pending import Pending
    from harness.resolve.inventory import Inventory
    from harness.resolve.prepare import Draft, Resolved
    from harness.resolve.request import Request

_Row = Mapping[str, Any]

_COST: tuple[Field[_Row], ...] = (
    Field("pending", "pending", numeric=True),
    Field("forwards", "forward passes", show=si, numeric=True),
    Field("backwards", "backward passes", show=si, numeric=True),
    Field("flops", "FLOPs", show=flop, numeric=True),
    Field("seconds", "time", show=span, numeric=True),
    Field("kept_bytes", "artifacts", show=size, numeric=True),
)
ATTACKS: tuple[Field[_Row], ...] = (
    Field("attack", "attack", repeated=True),
    Field("goal", "goal", repeated=True),
    Field("cells", "cells", numeric=True),
    Field("images", "images", numeric=True),
    Field("stored", "stored", numeric=True),
    *_COST,
)
MODELS: tuple[Field[_Row], ...] = (
    Field("model", "model", repeated=True),
    Field("source", "source"),
    Field("forward_flops", "forward FLOPs", show=flop, numeric=True),
    Field("gradient_flops", "forward + backward FLOPs", show=flop, numeric=True),
    *_COST,
)


@verb("plan")
@selection
@devices("Devices that would compute; N: as many like the one that is measured.")
@option(
    "--no-calibration",
    is_flag=True,
    help="Measure nothing now: FLOPs and times only for models measured earlier.",
)
@output_format()
def plan(
    db: Path,
    registry_files: Sequence[Path],
    devices: str,
    no_calibration: bool,
    format: Format,
    **selected: Any,
) -> None:
    """Takes the same options as `harness run`.

    The numbers of passes are upper bounds. Each model's passes are measured once, for a few seconds
    and with random weights; the results are kept in the user's cache.
    """
    asked = request(**selected, db=db)
    copies = int(devices) if re.fullmatch("[1-9][0-9]*", devices.strip()) else None
    show_plan(
        asked,
        registry_files,
        db,
        format,
        devices=Devices() if copies else Devices.parse(devices),
        copies=copies,
        measure=not no_calibration,
    )


def show_plan(
    asked: Request,
    registry_files: Sequence[Path],
    db: Path | None,
    format: Format = "table",
    *,
    devices: Devices,
    copies: int | None = None,
    retry_errors: bool = False,
    measure: bool = False,
) -> None:
    """Print one row per attack and goal, and one per model; ``db`` None: nothing stored counts.

    With ``copies`` the time on that many devices like the one of ``devices`` is predicted.
    """
    from harness.estimate.calibrate import calibrate
    from harness.estimate.estimate import busy_models, estimate
    from harness.execute.pending import pending_in
    from harness.plugins import installed
    from harness.registry import load
    from harness.resolve.prepare import draft

    with missing_listed():
        drafted = draft(asked, load(registry_files), installed())
    resolved = drafted.resolved
    left = pending_in(db, resolved.plan, resolved.dataset, retry_errors=retry_errors)
    cells = {key: len(ids) for key, ids in left.cells.items()}
    busy = busy_models(resolved, cells, left.transfers)
    calibration = calibrate(
        resolved, busy, str(devices.first), measure=measure, say=lambda line: echo(line, err=True)
    )
    found = estimate(resolved, cells, left.transfers, calibration)
    count = copies or len(devices.numbers) or devices.workers
    slower = devices.workers or 1  # each has a part of the cores that were measured
    predicted = _predicted(resolved, left, found, count, slower) if count else None
    show(_presented(found, predicted), format)
    for line in _warnings(drafted):
        echo(line, err=True)


def _predicted(
    resolved: Resolved, left: Pending, found: Estimate, count: int, slower: int
) -> Makespan | None:
    """What ``count`` devices would make of it; None: some times are unknown, or nothing is left.

    Args:
        slower: how many times longer passes take than the estimate has it.
    """
    from harness.estimate.passes import slowed
    from harness.execute.driver.costs import estimated_costs
    from harness.execute.driver.makespan import makespan

    if found.cost.without_seconds or not found.cost.images:
        return None
    known = {name: slowed(costs, slower) for name, costs in found.calibration.costs.items()}
    return makespan(resolved.plan, left, estimated_costs(resolved, known), count)


def _presented(found: Estimate, predicted: Makespan | None) -> Presentation:
    """One table of attacks and goals, one of models, and the totals."""
    pairs = f"{found.pairs} pairs, " if found.pairs else ""
    part = f", part {found.part}" if found.part else ""
    counts = (
        f"suite {found.suite}{part}: {len(found.models)} models, {found.cells} cells, "
        f"{pairs}{found.images} images, {found.cost.images} pending"
    )
    return present(
        ATTACKS,
        found.attacks,
        parts=[present(MODELS, found.models)],
        notes=[counts, *_totals(found), *_prediction(predicted)],
        document={**found.document(), "makespan": predicted and predicted.document()},
    )


def _prediction(predicted: Makespan | None) -> list[str]:
    if predicted is None:
        return []
    least = f"no schedule takes less than {span(predicted.bound)}"
    return [
        f"on {predicted.devices} such devices about {span(predicted.seconds)}, loading included:"
        f" {predicted.efficiency:.0%} of their time is work; {least}"
    ]


def _totals(found: Estimate) -> list[str]:
    """The overall cost: totals that are complete, and what the others lack."""
    cost, calibration = found.cost, found.calibration
    if not cost.images:
        return []
    undeclared = ", ".join(sorted(cost.without_passes))
    passes = f"{si(cost.forwards)} forward and {si(cost.backwards)} backward passes"
    price = [
        *([] if undeclared else [passes]),
        *([] if cost.without_flops else [flop(cost.flops)]),
        *([] if cost.without_seconds else [f"{span(cost.seconds)} on {calibration.device}"]),
    ]
    saved = f"{size(cost.kept_bytes)} of saved adversarial examples"
    lines = [f"at most {', '.join(price)}; {saved}" if price else saved]
    if undeclared:
        lines.append(f"no total of passes, because these do not declare theirs: {undeclared}")
    reasons: dict[str, list[str]] = {}
    for name in sorted(cost.without_flops | cost.without_seconds):
        reasons.setdefault(calibration.without.get(name, "incomplete"), []).append(name)
    for reason, members in reasons.items():
        count = "1 model" if len(members) == 1 else f"{len(members)} models"
        lines.append(f"no total of {_lacking(cost)}: {count} ({reason}): {', '.join(members)}")
    return lines


def _lacking(cost: Cost) -> str:
    """Which totals lack models."""
    names = (("FLOPs", cost.without_flops), ("time", cost.without_seconds))
    return " and ".join(name for name, without in names if without)


def _warnings(drafted: Draft) -> list[str]:
    """What a run would stumble on: weights, classes and plugins."""
    from harness.plugins import disabled_too
    from harness.resolve.classes import misfits

    inventory, resolved = drafted.inventory, drafted.resolved
    return [
        *_not_here(inventory),
        *misfits(inventory.choice.models, resolved.dataset),
        *(
            f"{name!r} is not provided by any installed plugin{disabled_too()}; a run skips it"
            for name in resolved.plan.unavailable
        ),
    ]


def _not_here(inventory: Inventory) -> list[str]:
    """The models whose weights are missing or still to be downloaded."""
    lines = list(inventory.choice.notes)
    if inventory.to_download:
        lines.append(f"{inventory.to_download}, downloaded by the run itself")
    if names := [row.name for row in inventory.all("missing")]:
        lines.append(f"missing weights, see `harness doctor`: {', '.join(names)}")
    return lines
