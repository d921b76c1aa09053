"""The cells of suites' runs, and the components they are of: read-only, integers inside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from sqlite3 import Connection
from typing import Any, Literal

from harness.definition import Definition, tasks
from harness.identity import canonical_json

Runs = tuple[tuple[int, int], ...]
"""(run id, number of the run's images that a cell takes), oldest first."""


def verdicts_of(cells: str) -> str:
    """In SQL the numerics of predictions and verdicts in ``cells``, as a clean cell has them."""
    return f"json_set({cells}.policy, '$.precision', 'fp32')"


@dataclass(frozen=True, slots=True)
class StoredTask:
    """An attack or a measurement.

    Attributes:
        label: the name with its parameters, as the suite's latest run calls it.
        norm, budget: as an attack declares them; without a budget it minimises the distortion.
        parameters: all of them, defaults too; a database from before they were stored has those
            that are not defaults.
    """

    id: int
    kind: Literal["attack", "measurement"]
    name: str
    label: str
    norm: str | None
    budget: float | None
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A cell of a suite's runs; a clean one has neither task, goal nor seed.

    Attributes:
        policy: the numerics as JSON text; ``verdicts``: those of predictions and verdicts.
        runs: the suite's runs that hold the cell.
    """

    id: int
    model: str
    model_id: int
    dataset: str
    dataset_id: int
    task: StoredTask | None
    goal: str | None
    seed: int | None
    policy: str
    verdicts: str
    runs: Runs

    @property
    def label(self) -> str:
        return self.task.label if self.task else "clean"

    @property
    def latest(self) -> tuple[int, int]:
        """What sorts cells by their latest run."""
        return self.runs[-1][0], self.id


def suites(db: Connection) -> list[str]:
    """The suites of the stored runs, that of the latest run first."""
    rows = db.execute("SELECT suite FROM runs GROUP BY suite ORDER BY max(id) DESC")
    return [name for (name,) in rows]


def definition(db: Connection, suite: str) -> Definition:
    """The suite as its latest run resolved it."""
    (text,) = db.execute(
        "SELECT definition FROM runs WHERE suite = ? ORDER BY id DESC LIMIT 1", (suite,)
    ).fetchone()
    resolved: Definition = json.loads(text)
    return resolved


def suite_cells(db: Connection, suite: str) -> list[StoredCell]:
    """All cells of the suite's runs, in the order in which they were first planned."""
    runs: dict[int, list[tuple[int, int]]] = {}
    for cell, run, images in db.execute(
        "SELECT run_cells.cell_id, run_cells.run_id, run_cells.images FROM runs"
        " JOIN run_cells ON run_cells.run_id = runs.id WHERE runs.suite = ? ORDER BY runs.id",
        (suite,),
    ):
        runs.setdefault(cell, []).append((run, images))
    rows = db.execute(
        "SELECT cells.id, models.name, models.id, datasets.name, datasets.id, attack_id, label,"
        f" norm, budget, cells.goal, cells.seed, cells.policy, {verdicts_of('cells')} FROM cells"
        " JOIN components AS models ON models.id = cells.model_id"
        " JOIN components AS datasets ON datasets.id = cells.dataset_id ORDER BY cells.id"
    )
    tasks = _tasks(db, suite)
    found = []
    for cell, model, model_id, data, data_id, task, *facts, goal, seed, policy, verdicts in rows:
        if cell in runs:
            found.append(
                StoredCell(
                    id=cell,
                    model=model,
                    model_id=model_id,
                    dataset=data,
                    dataset_id=data_id,
                    task=None if task is None else _of_cell(tasks[task], *facts),
                    goal=goal,
                    seed=seed,
                    policy=policy,
                    verdicts=verdicts,
                    runs=tuple(runs[cell]),
                )
            )
    return found


def _of_cell(task: StoredTask, label: str, norm: str | None, budget: float | None) -> StoredTask:
    """The label that a cell is stored with is that of the last run of whichever suite."""
    return replace(task, label=task.label or label, norm=norm, budget=budget)


def _tasks(db: Connection, suite: str) -> dict[int, StoredTask]:
    """Attacks and measurements by id; without a label where the suite's latest run has none."""
    labels = {
        (kind, entry["name"], canonical_json(entry.get("parameters"))): entry["label"]
        for kind, entry in tasks(definition(db, suite))
    }
    rows = db.execute(
        "SELECT id, kind, name, json_extract(identity, '$.parameters'),"
        " json_extract(about, '$.parameters') FROM components"
        " WHERE kind IN ('attack', 'measurement')"
    )
    return {
        number: StoredTask(
            id=number,
            kind=kind,
            name=name,
            label=labels.get((kind, name, stated), ""),
            norm=None,
            budget=None,
            parameters=json.loads(stated or "{}") | json.loads(every or "{}"),
        )
        for number, kind, name, stated, every in rows
    }


def attack_cells(
    db: Connection, *, norm: str, goal: str, models: Iterable[int]
) -> dict[int, tuple[int, int]]:
    """(model id, attack id) of every cell of attacks with this declared norm, and for this goal.

    Args:
        models: ids of the models (their weights) whose cells are wanted, of whichever suite.
    """
    rows = db.execute(
        "SELECT id, model_id, attack_id FROM cells WHERE norm = ? AND goal = ?"
        " AND model_id IN (SELECT value FROM json_each(?))",
        (norm, goal, json.dumps(sorted(models))),
    )
    return {cell: (model, attack) for cell, model, attack in rows}


def model_facts(db: Connection) -> dict[str, Mapping[str, Any]]:
    """What is known about each stored model by name; of several versions the latest."""
    rows = db.execute("SELECT name, about FROM components WHERE kind = 'model' ORDER BY id")
    return {name: json.loads(about) for name, about in rows}


def model_weights(db: Connection) -> dict[str, frozenset[str]]:
    """The hashes of the weights stored under each model name."""
    found: dict[str, frozenset[str]] = {}
    rows = db.execute(
        "SELECT name, json_extract(identity, '$.weights') FROM components WHERE kind = 'model'"
    )
    for name, digest in rows:
        found[name] = found.get(name, frozenset()) | {digest}
    return found


def model_about(db: Connection, model_id: int) -> Mapping[str, Any]:
    """What is known about one version of a model."""
    (text,) = db.execute("SELECT about FROM components WHERE id = ?", (model_id,)).fetchone()
    about: Mapping[str, Any] = json.loads(text)
    return about


def model_classes(db: Connection, model_id: int) -> int | None:
    """The number of classes of one version of a model, if it is known."""
    (classes,) = db.execute(
        "SELECT json_extract(identity, '$.classes') FROM components WHERE id = ?", (model_id,)
    ).fetchone()
    return None if classes is None else int(classes)


def score_names(db: Connection) -> dict[int, tuple[str, ...]]:
    """The names of each cell's stored scores, in alphabetical order."""
    found: dict[int, tuple[str, ...]] = {}
    for cell, name in db.execute("SELECT DISTINCT cell_id, metric FROM scores ORDER BY 1, 2"):
        found[cell] = (*found.get(cell, ()), name)
    return found
