"""Where the report's numbers come from, and what is missing, by name."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.analysis.results import SuiteResults
from harness.api.records import FAILED
from harness.definition import Definition, tasks
from harness.store.read import runs as views

if TYPE_CHECKING:
    from sqlite_utils import Database

CLEAN = "clean predictions"


@dataclass(frozen=True, slots=True)
class Gap:
    """What an attack or a measurement lacks for a goal: one line per model."""

    label: str
    goal: str
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """The suite's runs, and the state of everything that its definition asks for.

    Attributes:
        runs: as `views.run_detail` tells them, without their cells, the latest first.
        cells: of all runs, one row per cell, of its latest run.
        parts: how many cells the definition asks for; ``complete`` ones have an outcome for every
            image.
        gaps: what is missing or failed.
    """

    runs: tuple[Mapping[str, Any], ...]
    cells: tuple[Mapping[str, Any], ...]
    devices: tuple[str, ...]
    parts: int
    complete: int
    gaps: tuple[Gap, ...]


def provenance(db: Database, suite: SuiteResults) -> Provenance:
    """What is behind a suite's results."""
    runs = [
        views.run_detail(db, run["run"]) for run in views.runs(db) if run["suite"] == suite.name
    ]
    cells: dict[str, Mapping[str, Any]] = {}
    for run in reversed(runs):
        cells |= {cell["key"]: {**cell, "run": run["run"]} for cell in run.pop("cells")}
        run["command"] = shlex.join(run["command"])
    wanted = _wanted(suite.definition)
    states: dict[tuple[str, str, str], str] = {
        (cell["attack"], cell["goal"] or "", cell["model"]): _state(cell) for cell in cells.values()
    }
    everything = list(dict.fromkeys([*wanted, *states]))
    lacking: dict[tuple[str, str], list[str]] = {}
    for label, goal, model in everything:
        state = states.get((label, goal, model), "not run")
        if state:
            lacking.setdefault((label, goal), []).append(f"{model}: {state}")
    return Provenance(
        runs=tuple(runs),
        cells=tuple(cells.values()),
        devices=tuple(views.devices(db, suite.name)),
        parts=len(everything),
        complete=len(everything) - sum(len(models) for models in lacking.values()),
        gaps=tuple(
            Gap(CLEAN if label == "clean" else label, goal, tuple(models))
            for (label, goal), models in lacking.items()
        ),
    )


def _wanted(definition: Definition) -> Sequence[tuple[str, str, str]]:
    """(label, goal, model) of every cell that the suite is to have."""
    models = definition["models"]
    return [
        *(("clean", "", model) for model in models),
        *((task["label"], goal, model) for _, task in tasks(definition) for goal in task["goals"]
          for model in models),
    ]  # fmt: skip


def _state(cell: Mapping[str, Any]) -> str:
    """What a cell lacks; empty where it is complete."""
    bad = {each.value: cell["statuses"].get(each, 0) for each in FAILED}
    parts = [f"{count} {name}" for name, count in bad.items() if count]
    if cell["done"] < cell["images"]:
        parts.insert(0, f"{cell['images'] - cell['done']} of {cell['images']} images missing")
    cause = f" ({cell['error']})" if parts and cell["error"] else ""
    return ", ".join(parts) + cause
