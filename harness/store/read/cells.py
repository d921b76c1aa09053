"""The queries behind the leaderboard: read-only, one cell at a time, integers inside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection
from typing import Any, Literal

from harness.api import ZERO_GRADIENT
from harness.api.trial import Trial
from harness.identity import canonical_json

NORMS = ("linf", "l2", "l1", "l0")

Runs = tuple[tuple[int, int], ...]
"""(run id, number of the run's images that a cell takes), oldest first."""


@dataclass(frozen=True, slots=True)
class StoredCell:
    """A cell of a suite's runs; a clean one has neither attack, goal, seed nor norm.

    Attributes:
        label: the attack with its parameters, as the suite's latest run calls it.
        budget: the declared epsilon; None for a minimum-distortion attack.
        policy: the numeric policy as JSON text.
        runs: the suite's runs that hold the cell.
        parameters: all of the attack's, its defaults too; a database from before they were stored
            has those that are not.
    """

    id: int
    model: str
    model_id: int
    dataset: str
    dataset_id: int
    attack: str | None
    attack_id: int | None
    label: str
    goal: str | None
    seed: int | None
    policy: str
    norm: str | None
    budget: float | None
    runs: Runs
    parameters: Mapping[str, Any]

    @property
    def last_run(self) -> int:
        return self.runs[-1][0]


def suites(db: Connection) -> list[str]:
    """The suites of the stored runs, that of the latest run first."""
    rows = db.execute("SELECT suite FROM runs GROUP BY suite ORDER BY max(id) DESC")
    return [name for (name,) in rows]


def definition(db: Connection, suite: str) -> dict[str, Any]:
    """The suite as its latest run resolved it."""
    (text,) = db.execute(
        "SELECT definition FROM runs WHERE suite = ? ORDER BY id DESC LIMIT 1", (suite,)
    ).fetchone()
    resolved: dict[str, Any] = json.loads(text)
    return resolved


def suite_cells(db: Connection, suite: str) -> list[StoredCell]:
    """All clean and attack cells of the suite's runs."""
    runs: dict[int, list[tuple[int, int]]] = {}
    for cell, run, images in db.execute(
        "SELECT run_cells.cell_id, run_cells.run_id, run_cells.images FROM runs"
        " JOIN run_cells ON run_cells.run_id = runs.id WHERE runs.suite = ? ORDER BY runs.id",
        (suite,),
    ):
        runs.setdefault(cell, []).append((run, images))
    rows = db.execute(
        "SELECT cells.id, models.name, models.id, datasets.name, datasets.id, attacks.name,"
        " attacks.id, cells.label, cells.goal, cells.seed, cells.policy, cells.norm, cells.budget"
        " FROM cells JOIN components AS models ON models.id = cells.model_id"
        " JOIN components AS datasets ON datasets.id = cells.dataset_id"
        " LEFT JOIN components AS attacks ON attacks.id = cells.attack_id"
        " WHERE attacks.kind IS NOT 'measurement' ORDER BY cells.id"
    )
    found = [StoredCell(*(*row, tuple(runs[row[0]]), {})) for row in rows if row[0] in runs]
    names = labels(db, suite, "attacks")
    parameters = {cell.attack_id: _parameters(db, cell.attack_id) for cell in found}
    return [
        replace(
            cell,
            label=cell.label if cell.attack_id is None else names.get(cell.attack_id, cell.label),
            parameters=parameters[cell.attack_id],
        )
        for cell in found
    ]


def _parameters(db: Connection, attack: int | None) -> Mapping[str, Any]:
    if attack is None:
        return {}
    identity, about = db.execute(
        "SELECT identity, about FROM components WHERE id = ?", (attack,)
    ).fetchone()
    stated: Mapping[str, Any] = json.loads(identity).get("parameters", {})
    return {**stated, **json.loads(about).get("parameters", {})}


def labels(db: Connection, suite: str, kind: Literal["attacks", "measurements"]) -> dict[int, str]:
    """What the suite's latest run calls its attacks or measurements, by their ids.

    The label that a cell is stored with is that of the last run of whichever suite.
    """
    found: dict[int, str] = {}
    for entry in definition(db, suite).get(kind, ()):
        rows = db.execute(
            "SELECT id FROM components WHERE kind = ? AND name = ?"
            " AND json_extract(identity, '$.parameters') = ?",
            (kind.removesuffix("s"), entry["name"], canonical_json(entry.get("parameters"))),
        )
        found.update((number, str(entry["label"])) for (number,) in rows)
    return found


def model_facts(db: Connection) -> dict[str, Mapping[str, Any]]:
    """What is known about each stored model by name; of several versions the latest."""
    rows = db.execute("SELECT name, about FROM components WHERE kind = 'model' ORDER BY id")
    return {name: json.loads(about) for name, about in rows}


def model_weights(db: Connection) -> dict[str, frozenset[str]]:
    """The hashes of the weights that each model name stands for."""
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


def trial(db: Connection, cell: int) -> Trial | None:
    """What the trial of a clean cell's model found, if there was one."""
    row = db.execute(
        "SELECT images, difference, outputs FROM trials WHERE cell_id = ?", (cell,)
    ).fetchone()
    return None if row is None else Trial(*row)


def images_of(db: Connection, runs: Runs) -> frozenset[int]:
    """The image ids that a cell takes in ``runs``.

    Where a file changed between runs (or could not be read before), its latest content counts.
    """
    latest: dict[tuple[int, str], int] = {}
    for run, count in runs:
        for dataset, name, image in db.execute(
            "SELECT images.dataset_id, images.name, images.id FROM run_images"
            " JOIN images ON images.id = run_images.image_id"
            " WHERE run_images.run_id = ? AND run_images.position < ?",
            (run, count),
        ):
            latest[dataset, name] = image
    return frozenset(latest.values())


def clean_rows(db: Connection, cell: int) -> dict[int, bool | None]:
    """Whether each image of a clean cell is classified correctly; None where that failed."""
    rows = db.execute(
        "SELECT clean.image_id, clean.predicted = images.label FROM clean"
        " JOIN images ON images.id = clean.image_id WHERE clean.cell_id = ?",
        (cell,),
    )
    return {image: None if correct is None else bool(correct) for image, correct in rows}


def outcome_rows(db: Connection, cell: int, norm: str) -> dict[int, tuple[str, float | None]]:
    """Status and distortion in ``norm`` of each image of a cell."""
    if norm not in NORMS:
        raise ValueError(f"no such norm: {norm!r}")
    rows = db.execute(f"SELECT image_id, status, {norm} FROM outcomes WHERE cell_id = ?", (cell,))
    return {image: (status, distortion) for image, status, distortion in rows}


def zero_gradients(db: Connection, cell: int) -> frozenset[int]:
    """The judged images of an attack's cell whose first gradient was zero everywhere."""
    rows = db.execute(
        "SELECT image_id FROM measurements JOIN outcomes USING (cell_id, image_id)"
        " WHERE cell_id = ? AND name = ? AND status IN ('robust', 'broken')",
        (cell, ZERO_GRADIENT),
    )
    return frozenset(image for (image,) in rows)


def last_error(db: Connection, cells: Sequence[int]) -> str | None:
    """The line that the latest attempt which failed on one of the cells, or an image, left."""
    marks = ", ".join("?" * len(cells))
    for table, order in (("attempts", "id"), ("outcomes", "attempt_id"), ("clean", "attempt_id")):
        row = db.execute(
            f"SELECT error FROM {table} WHERE cell_id IN ({marks}) AND error IS NOT NULL"
            f" ORDER BY {order} DESC LIMIT 1",
            tuple(cells),
        ).fetchone()
        if row is not None:
            return str(row[0])
    return None
