"""The cells of suites' runs, and the components they are of: read-only, integers inside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from sqlite3 import Connection
from typing import Any, Literal

from harness.definition import Definition, TaskDefinition, tasks
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
        ad_hoc: whether commands named it, and the suite never did.
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
    ad_hoc: bool = False


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A cell of a suite's runs; a clean one has neither task, goal nor seed.

    Attributes:
        policy: the numerics as JSON text; ``verdicts``: those of predictions and verdicts.
        runs: the suite's runs that hold the cell.
    """

    id: int
    key: str
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

    @property
    def is_measurement(self) -> bool:
        return self.task is not None and self.task.kind == "measurement"

    @property
    def place(self) -> tuple[object, ...]:
        """What a model's cells share with its clean one."""
        return self.model_id, self.dataset_id, self.verdicts

    @property
    def group(self) -> tuple[object, ...]:
        """What the cells of a trial share. Models differ, and so may their weights."""
        attack = self.task.id if self.task else None
        return attack, self.goal, self.seed, self.policy, self.dataset_id


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
        "SELECT cells.id, cells.key, models.name, models.id, datasets.name, datasets.id,"
        " attack_id, label, norm, budget, cells.goal, cells.seed, cells.policy,"
        f" {verdicts_of('cells')} FROM cells"
        " JOIN components AS models ON models.id = cells.model_id"
        " JOIN components AS datasets ON datasets.id = cells.dataset_id ORDER BY cells.id"
    )
    tasks = _tasks(db, suite)
    found = []
    for cell, key, model, model_id, data, data_id, task, *facts, goal, seed, policy, at in rows:
        if cell in runs:
            found.append(
                StoredCell(
                    id=cell,
                    key=key,
                    model=model,
                    model_id=model_id,
                    dataset=data,
                    dataset_id=data_id,
                    task=None if task is None else _of_cell(tasks, task, *facts),
                    goal=goal,
                    seed=seed,
                    policy=policy,
                    verdicts=at,
                    runs=tuple(runs[cell]),
                )
            )
    return found


def _of_cell(
    tasks: dict[int, StoredTask], number: int, label: str, norm: str | None, budget: float | None
) -> StoredTask:
    """The label that a cell is stored with is that of the last run of whichever suite.

    All cells of a task that the definition does not name take that of the first of them.
    """
    if not tasks[number].label:
        tasks[number] = replace(tasks[number], label=label)
    return replace(tasks[number], norm=norm, budget=budget)


def _tasks(db: Connection, suite: str) -> dict[int, StoredTask]:
    """Attacks and measurements by id; without a label where the suite's latest run has none."""
    labels = {
        (kind, *_named(entry)): entry["label"] for kind, entry in tasks(definition(db, suite))
    }
    unnamed = _ad_hoc(db, suite)
    rows = db.execute(
        "SELECT id, kind, name, json_extract(identity, '$.parameters'),"
        " json_extract(identity, '$.budget_passes'), json_extract(identity, '$.targets'),"
        " json_extract(about, '$.parameters') FROM components"
        " WHERE kind IN ('attack', 'measurement')"
    )
    return {
        number: StoredTask(
            id=number,
            kind=kind,
            name=name,
            label=labels.get((kind, name, stated, passes, targets), ""),
            norm=None,
            budget=None,
            parameters=json.loads(stated or "{}") | json.loads(every or "{}"),
            ad_hoc=(kind, name, stated, passes, targets) in unnamed,
        )
        for number, kind, name, stated, passes, targets, every in rows
    }


def _named(entry: TaskDefinition) -> tuple[str, str, int | None, str | None]:
    """A task of a definition as the rows of components have it."""
    stated = canonical_json(entry.get("parameters"))
    return entry["name"], stated, entry.get("budget_passes"), entry.get("targets")


_Task = tuple[str, str, str, int | None, str | None]
"""Kind, name, parameters, budget of passes, and the hash of given targets."""


def _ad_hoc(db: Connection, suite: str) -> set[_Task]:
    """Those of what commands named, and no definition of the suite."""
    named: dict[bool, set[_Task]] = {True: set(), False: set()}
    texts = db.execute("SELECT DISTINCT definition FROM runs WHERE suite = ?", (suite,)).fetchall()
    if any('"ad_hoc"' in text for (text,) in texts):
        for (text,) in texts:
            for kind, entry in tasks(json.loads(text)):
                named[entry.get("ad_hoc", False)].add((kind, *_named(entry)))
    return named[True] - named[False]


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


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One version of a model: what is known about it, its number of classes and architecture."""

    about: Mapping[str, Any]
    classes: int | None
    architecture: str | None


def models(db: Connection) -> dict[int, StoredModel]:
    """All versions of all models by id."""
    rows = db.execute(
        "SELECT id, about, json_extract(identity, '$.classes'),"
        " json_extract(identity, '$.architecture') FROM components WHERE kind = 'model'"
    )
    return {number: StoredModel(json.loads(about), *known) for number, about, *known in rows}


def model_about(db: Connection, model_id: int) -> Mapping[str, Any]:
    """What is known about one version of a model."""
    (text,) = db.execute("SELECT about FROM components WHERE id = ?", (model_id,)).fetchone()
    about: Mapping[str, Any] = json.loads(text)
    return about


def score_names(db: Connection) -> dict[int, tuple[str, ...]]:
    """The names of each cell's stored scores, in alphabetical order."""
    found: dict[int, tuple[str, ...]] = {}
    for cell, name in db.execute("SELECT DISTINCT cell_id, metric FROM scores ORDER BY 1, 2"):
        found[cell] = (*found.get(cell, ()), name)
    return found
