"""A synthetic database: real SQLite with the real schema, filled row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlite_utils

from harness.store.schema.views import bring_up_to_date

POLICY = '{"precision":"fp32"}'


def definition(
    models: Sequence[str], attacks: Sequence[Mapping[str, Any]] | None = None, seed: int = 0
) -> dict[str, Any]:
    """A suite as the scheduler stores it."""
    ifgsm = {
        "name": "ifgsm",
        "label": "ifgsm",
        "norm": "linf",
        "budget": None,
        "goals": ["random", "least-likely"],
        "parameters": {},
    }
    return {
        "name": "toy",
        "dataset": "dots",
        "models": list(models),
        "attacks": list(attacks) if attacks is not None else [ifgsm],
        "seed": seed,
    }


def _stated(label: str) -> dict[str, float]:
    """The parameters that a label names."""
    pairs = (each.partition("=") for each in label.split()[1:])
    return {name: float(value) for name, _, value in pairs}


class Bench:
    """Fills a database the way the writer does: `run`, then `clean` and `attack` for each model.

    Rows of image ``i`` are given at position ``i``; None is a missing row. Statuses are given by
    letter: ``b`` with a distortion, ``r``, ``w``, ``i``, ``e``.
    """

    STATUS: Mapping[str, str] = {
        "b": "broken",
        "r": "robust",
        "w": "clean_wrong",
        "i": "invalid",
        "e": "error",
    }

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = sqlite_utils.Database(path)
        bring_up_to_date(self.db)
        self.sql = self.db.conn
        self.sql.execute("INSERT INTO environments (id, digest, facts) VALUES (1, 'e', '{}')")
        self.dataset = self.component("dataset", "dots")
        self.run_id = 0
        self.commit()

    def commit(self) -> None:
        self.sql.commit()

    def component(self, kind: str, name: str, digest: str = "", **about: Any) -> int:
        self.sql.execute(
            "INSERT OR IGNORE INTO components (kind, name, digest, identity, about)"
            " VALUES (?, ?, ?, '{}', ?)",
            (kind, name, name + digest, json.dumps(about)),
        )
        query = "SELECT id FROM components WHERE kind = ? AND digest = ?"
        return int(self.sql.execute(query, (kind, name + digest)).fetchone()[0])

    def run(self, suite: Mapping[str, Any], images: int, *, name: str = "toy") -> int:
        """A new run over images 0, 1, ...; what follows belongs to it."""
        self.run_id = self.sql.execute(
            "INSERT INTO runs (suite, definition, command, seed, environment_id, started, status)"
            " VALUES (?, ?, '[]', ?, 1, '2026-01-01T00:00:00Z', 'done')",
            (name, json.dumps(suite), suite["seed"]),
        ).lastrowid
        for position in range(images):
            self.sql.execute(
                "INSERT OR IGNORE INTO images (dataset_id, name, digest, label)"
                " VALUES (?, ?, 'd', 0)",
                (self.dataset, f"{position:04}"),
            )
            self.place(position, self.image(position))
        self.commit()
        return self.run_id

    def place(self, position: int, image: int) -> None:
        self.sql.execute(
            "INSERT OR REPLACE INTO run_images VALUES (?, ?, ?)", (self.run_id, position, image)
        )

    def image(self, position: int) -> int:
        query = "SELECT id FROM images WHERE name = ? AND digest = 'd'"
        return int(self.sql.execute(query, (f"{position:04}",)).fetchone()[0])

    def cell(self, key: str, images: int, **values: Any) -> int:
        values = {"key": key, "dataset_id": self.dataset, "policy": POLICY, **values}
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self.sql.execute(
            f"INSERT OR IGNORE INTO cells ({names}) VALUES ({marks})", tuple(values.values())
        )
        cell = int(self.sql.execute("SELECT id FROM cells WHERE key = ?", (key,)).fetchone()[0])
        self.sql.execute("INSERT INTO run_cells VALUES (?, ?, ?)", (self.run_id, cell, images))
        return cell

    def attempt(self, cell: int, error: str | None = None) -> int:
        return int(
            self.sql.execute(
                "INSERT INTO attempts (cell_id, run_id, started, status, device, batch_size, error)"
                " VALUES (?, ?, '2026-01-01', ?, 'cpu', 8, ?)",
                (cell, self.run_id, "failed" if error else "done", error),
            ).lastrowid
        )

    def clean(
        self,
        model: str,
        right: Sequence[bool | None],
        *,
        weights: str = "",
        error: str | None = None,
        **about: Any,
    ) -> int:
        """The model's clean cell: whether each image is classified correctly; None: failed."""
        about = {"family": f"{model} family", "parameters": 1000, **about}
        model_id = self.component("model", model, weights, **about)
        cell = self.cell(f"{model}{weights} clean", len(right), model_id=model_id, label="clean")
        attempt = self.attempt(cell, error)
        for position, correct in enumerate(right):
            predicted = None if correct is None else 0 if correct else 1
            self.sql.execute(
                "INSERT OR REPLACE INTO clean (cell_id, image_id, attempt_id, predicted)"
                " VALUES (?, ?, ?, ?)",
                (cell, self.image(position), attempt, predicted),
            )
        self.commit()
        return cell

    def attack(
        self,
        model: str,
        rows: Sequence[float | str | None],
        *,
        images: int | None = None,
        attack: str = "ifgsm",
        label: str | None = None,
        goal: str = "random",
        seed: int = 0,
        weights: str = "",
        norm: str = "linf",
        budget: float | None = None,
    ) -> int:
        """The model's cell: a number is a broken image's distortion, else a status letter."""
        label = label or attack
        cell = self.cell(
            f"{model}{weights} {label} {goal} {seed}",
            len(rows) if images is None else images,
            model_id=self.component("model", model, weights),
            attack_id=self.component("attack", attack, label, parameters=_stated(label)),
            label=label,
            goal=goal,
            seed=seed,
            norm=norm,
            budget=budget,
        )
        attempt = self.attempt(cell)
        for position, row in enumerate(rows):
            if row is None:
                continue
            letter, size = (row, None) if isinstance(row, str) else ("b", row)
            # Failed attacks leave their last iterate's norms, which no mean may take in.
            size = 9.0 if letter == "r" else size
            self.sql.execute(
                "INSERT OR IGNORE INTO outcomes (cell_id, image_id, attempt_id, status, confident,"
                f" {norm}, forwards, backwards) VALUES (?, ?, ?, ?, ?, ?, 10, 9)",
                (cell, self.image(position), attempt, self.STATUS[letter], letter == "b", size),
            )
        self.commit()
        return cell

    def score(self, cell: int, metric: str, value: float | None) -> None:
        self.sql.execute(
            "INSERT INTO scores VALUES (?, ?, ?, ?, 1, '')", (self.run_id, cell, metric, value)
        )
        self.commit()
