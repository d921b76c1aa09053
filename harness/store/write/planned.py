"""A plan's rows: components, images, cells, and the run that ties them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any

from harness.api import ImageKey
from harness.definition import Definition, tasks
from harness.identity import canonical_json, tagged_hash
from harness.part import Part

if TYPE_CHECKING:
    from harness.planning import Cell, Component, Plan


def insert_run(
    connection: Connection,
    plan: Plan,
    *,
    environment: Mapping[str, Any],
    command: Sequence[str],
    images: Sequence[ImageKey],
    now: str,
) -> int:
    """Insert a running run with all that it refers to; within the caller's transaction."""
    (facts,) = connection.execute(
        "INSERT INTO environments (digest, facts) VALUES (?, ?)"
        " ON CONFLICT (digest) DO UPDATE SET facts = excluded.facts RETURNING id",
        [tagged_hash("environment", dict(environment)), canonical_json(dict(environment))],
    ).fetchone()
    (run,) = connection.execute(
        "INSERT INTO runs (suite, definition, command, seed, environment_id, started, status)"
        " VALUES (?, ?, ?, ?, ?, ?, 'running') RETURNING id",
        [
            *(plan.suite, canonical_json(dict(plan.definition)), canonical_json(list(command))),
            *(plan.seed, facts, now),
        ],
    ).fetchone()
    if plan.part and plan.whole:
        connection.execute(
            "UPDATE runs SET plan_id = ?, part = ?, parts = ? WHERE id = ?",
            [_insert_whole(connection, plan.whole), plan.part.index, plan.part.of, run],
        )
    _bring_labels_up_to_date(connection, plan.definition)
    components: dict[tuple[str, int], int] = {}
    for cell, whole in zip(plan.cells, (plan.whole or plan).cells, strict=True):
        connection.execute(
            "INSERT INTO run_cells (run_id, cell_id, images) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET images = max(images, excluded.images)",
            [run, _insert_cell(connection, cell, components), len(whole.images)],
        )
    if plan.cells:
        dataset = _insert_component(connection, "dataset", plan.cells[0].dataset, components)
        if plan.part:
            _number_images(connection, dataset, plan.part, images)
        _insert_images(connection, int(run), dataset, plan.part or Part(1, 1), images)
    return int(run)


def _insert_whole(connection: Connection, plan: Plan) -> int:
    """The id of a plan that is computed in parts: equal cells, counts and images are one plan."""
    images = max((cell.images for cell in plan.cells), key=len, default=())
    content = {
        "suite": plan.suite,
        "cells": [[cell.key, len(cell.images)] for cell in plan.cells],
        "images": [[image.id, image.label] for image in images],
    }
    (number,) = connection.execute(
        "INSERT INTO plans (digest, images) VALUES (?, ?)"
        " ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest RETURNING id",
        [tagged_hash("plan", content), canonical_json([image.id for image in images])],
    ).fetchone()
    return int(number)


def _bring_labels_up_to_date(connection: Connection, definition: Definition) -> None:
    """Cells of earlier runs get the labels that tell the suite's attacks apart now."""
    connection.executemany(
        "UPDATE cells SET label = ?1 WHERE label <> ?1 AND attack_id IN (SELECT id FROM"
        " components WHERE kind = ?2 AND name = ?3"
        " AND json_extract(identity, '$.parameters') = ?4"
        " AND json_extract(identity, '$.budget_passes') IS ?5"
        " AND json_extract(identity, '$.targets') IS ?6)",
        [
            (
                *(entry["label"], kind, entry["name"], canonical_json(entry.get("parameters"))),
                *(entry.get("budget_passes"), entry.get("targets")),
            )
            for kind, entry in tasks(definition)
        ],
    )


def _insert_component(
    connection: Connection, kind: str, component: Component, known: dict[tuple[str, int], int]
) -> int:
    """The id of the component with this identity; its name and facts are brought up to date."""
    place = (kind, id(component))
    if place not in known:
        (known[place],) = connection.execute(
            "INSERT INTO components (kind, name, digest, identity, about) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (kind, digest) DO UPDATE SET name = excluded.name, about = excluded.about"
            " RETURNING id",
            [
                *(kind, component.name, tagged_hash(kind, dict(component.identity))),
                *(canonical_json(dict(component.identity)), canonical_json(dict(component.about))),
            ],
        ).fetchone()
    return known[place]


def _insert_cell(connection: Connection, cell: Cell, known: dict[tuple[str, int], int]) -> int:
    """The id of the cell with this key; its label is brought up to date."""
    task, attack = cell.task, cell.attack
    kind = "attack" if attack else "measurement"
    (number,) = connection.execute(
        "INSERT INTO cells"
        " (key, model_id, dataset_id, attack_id, label, goal, seed, policy, norm, budget)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET label = excluded.label RETURNING id",
        [
            cell.key,
            _insert_component(connection, "model", cell.model, known),
            _insert_component(connection, "dataset", cell.dataset, known),
            task and _insert_component(connection, kind, task.component, known),
            task.label if task else "clean",
            cell.goal and cell.goal.value,
            cell.seed,
            canonical_json(cell.policy.identity),
            attack and attack.norm.value,
            attack and attack.budget,
        ],
    ).fetchone()
    return int(number)


def _number_images(
    connection: Connection, dataset: int, part: Part, images: Sequence[ImageKey]
) -> None:
    """Insert a part's images with the ids that a run of the whole gives them, where those are free.

    Bootstraps draw images in the order of their ids: the parts together are to give its intervals.
    """
    connection.executemany(
        "INSERT INTO images (id, dataset_id, name, digest, label) SELECT ?1, ?2, ?3, ?4, ?5"
        " WHERE NOT EXISTS (SELECT 1 FROM images WHERE id = ?1) ON CONFLICT DO NOTHING",
        [(position + 1, dataset, *image) for position, image in part.placed(images)],
    )


def _insert_images(
    connection: Connection, run: int, dataset: int, part: Part, images: Sequence[ImageKey]
) -> None:
    connection.executemany(
        "INSERT INTO images (dataset_id, name, digest, label) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [(dataset, *image) for image in images],
    )
    connection.executemany(
        "INSERT INTO run_images (run_id, position, image_id) SELECT ?, ?, id FROM images"
        " WHERE dataset_id = ? AND name = ? AND digest = ? AND label = ?",
        [(run, position, dataset, *image) for position, image in part.placed(images)],
    )
