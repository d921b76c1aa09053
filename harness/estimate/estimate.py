"""What a plan would cost: its cells and transfers priced, and grouped by attack and by model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

from harness.api import Passes
from harness.estimate.calibrate import Calibration
from harness.estimate.cost import CLEAN, Cost, cell_cost, forwards_cost, total, within
from harness.estimate.passes import PassCosts
from harness.part import Part
from harness.planning import Cell, Component, Pair, PlannedImage
from harness.resolve.prepare import Resolved

_Key = TypeVar("_Key", str, tuple[str, str])


class Predictions(Protocol):
    """A part of the transfers: images of other models, which a model predicts."""

    @property
    def model(self) -> Component:
        """The model that predicts."""

    @property
    def images(self) -> tuple[PlannedImage, ...]: ...


@dataclass(frozen=True, slots=True)
class _Priced:
    work: Cell | Predictions
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The cost of what is left of a plan.

    Attributes:
        attacks: one JSON-like row per attack and goal; None where not all of a number is known.
        models: one per model.
        cost: of everything; ``row`` has it in the form of the others.
        cells, pairs: how many.
        part: of the run; None: all of it.
    """

    suite: str
    attacks: Sequence[Mapping[str, Any]]
    models: Sequence[Mapping[str, Any]]
    cost: Cost
    row: Mapping[str, Any]
    cells: int
    pairs: int
    calibration: Calibration
    unavailable: tuple[str, ...]
    part: Part | None = None

    @property
    def images(self) -> int:
        """Of all cells and transfers, the stored ones too."""
        return sum(row["images"] for row in self.attacks)

    def document(self) -> dict[str, Any]:
        """All of it, JSON-like."""
        return {
            "suite": self.suite,
            "shard": self.part and str(self.part),
            "device": self.calibration.device,
            "attacks": list(self.attacks),
            "models": list(self.models),
            "total": self.row,
            "unknown_models": self.calibration.without,
            "unknown_attacks": sorted(self.cost.without_passes),
            "unavailable": list(self.unavailable),
        }


def estimate(
    resolved: Resolved,
    cells: Mapping[str, int],
    transfers: Sequence[tuple[Predictions, int]],
    calibration: Calibration,
) -> Estimate:
    """Price what is left of a plan.

    Args:
        cells: how many images of each cell are pending, by its key.
        transfers: every part of the transfers, with the number of its pending images.
    """
    priced = _priced(resolved, cells, transfers, calibration)
    return Estimate(
        suite=resolved.plan.suite,
        attacks=_by_attack(priced),
        models=_by_model(priced, calibration),
        cost=total(each.cost for each in priced),
        row=_row(priced),
        cells=len(resolved.plan.cells),
        pairs=len(resolved.plan.pairs),
        calibration=calibration,
        unavailable=resolved.plan.unavailable,
        part=resolved.plan.part,
    )


def busy_models(
    resolved: Resolved, cells: Mapping[str, int], transfers: Iterable[tuple[Predictions, int]]
) -> set[str]:
    """The names of the models that have anything left to do; see `estimate`."""
    attacked = {cell.model.name for cell in resolved.plan.cells if cells[cell.key]}
    return attacked | {each.model.name for each, images in transfers if images}


def _priced(
    resolved: Resolved,
    cells: Mapping[str, int],
    transfers: Sequence[tuple[Predictions, int]],
    calibration: Calibration,
) -> list[_Priced]:
    def costs(model: Component) -> PassCosts:
        return calibration.costs.get(model.name, PassCosts())

    found = [
        _Priced(
            cell,
            cell_cost(cell, cells[cell.key], declared_passes(resolved, cell), costs(cell.model)),
        )
        for cell in resolved.plan.cells
    ]
    return found + [
        _Priced(each, forwards_cost(each.model.name, images, costs(each.model)))
        for each, images in transfers
    ]


def declared_passes(resolved: Resolved, cell: Cell) -> Passes | None:
    """The most that an image of the cell takes; None where that is not declared."""
    if cell.attack is not None:
        attack = resolved.attacks[cell.attack.label]
        return within(attack.passes, cell.attack.budget_passes, attack.access)
    if cell.measurement is not None and cell.goal is not None:
        measurement = resolved.measurements[cell.measurement.label]
        return measurement.passes(cell.goal, cell.model.identity["classes"])
    return CLEAN


def _by_attack(priced: Sequence[_Priced]) -> list[dict[str, Any]]:
    return [
        {"attack": attack, "goal": goal, **_row(members)}
        for (attack, goal), members in _grouped(priced, lambda each: _kind(each.work)).items()
    ]


def _by_model(priced: Sequence[_Priced], calibration: Calibration) -> list[dict[str, Any]]:
    return [
        {
            "model": name,
            "source": members[0].work.model.about["source"],
            **asdict(calibration.costs.get(name, PassCosts())),
            **_row(members),
        }
        for name, members in _grouped(priced, lambda each: each.work.model.name).items()
    ]


def _grouped(
    priced: Sequence[_Priced], key: Callable[[_Priced], _Key]
) -> dict[_Key, list[_Priced]]:
    groups: dict[_Key, list[_Priced]] = {}
    for each in priced:
        groups.setdefault(key(each), []).append(each)
    return groups


def _kind(work: Cell | Predictions) -> tuple[str, str]:
    """What is done, and for which goal."""
    if isinstance(work, Cell):
        return work.task.label if work.task else "clean prediction", str(work.goal or "–")
    return "transfer" if isinstance(work, Pair) else "adapted clean prediction", "–"


def _row(members: Sequence[_Priced]) -> dict[str, Any]:
    """The cost of some cells or transfers, JSON-like; None where not all of it is known."""
    cost = total(each.cost for each in members)
    images = sum(len(each.work.images) for each in members)
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
