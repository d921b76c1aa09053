"""Transfers in a synthetic database, and the same rates by plain loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LABEL = 0
"""Of every image of the synthetic database."""

Ranks = Mapping[int, int | None]
"""By image position; None: the target returned NaN."""


@dataclass
class Toy:
    """What a panel's database holds, by model and by (source, target).

    Attributes:
        statuses: of the source's images: b, r, w, i, e, or None for a missing row.
        clean: whether the model classifies each image correctly; None where that failed.
        borders: of the stored pairs: none, white or grey.
        adapted: whether the target classifies the adapted originals correctly.
    """

    families: dict[str, str | None]
    statuses: dict[str, Sequence[str | None]] = field(default_factory=dict)
    clean: dict[str, Sequence[bool | None]] = field(default_factory=dict)
    borders: dict[tuple[str, str], str] = field(default_factory=dict)
    ranks: dict[tuple[str, str], Ranks] = field(default_factory=dict)
    adapted: dict[tuple[str, str], Mapping[int, bool | None]] = field(default_factory=dict)


def attack(label: str, *goals: str, budget: float | None = None) -> dict[str, Any]:
    """An attack of a suite's stored definition."""
    name = label.split()[0]
    return {"name": name, "label": label, "norm": "linf", "budget": budget, "goals": list(goals)}


def suite_of(models: Sequence[str], attacks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A suite's stored definition."""
    return {"name": "toy", "dataset": "dots", "models": list(models), "seed": 0,
            "attacks": list(attacks)}  # fmt: skip


def clean_cells(bench: Any, toy: Toy) -> dict[str, int]:
    """The clean cells of the toy's models in the current run."""
    return {
        model: bench.clean(model, toy.clean[model], family=family)
        for model, family in toy.families.items()
    }


def panel(bench: Any, toy: Toy, clean: Mapping[str, int], **attack: Any) -> dict[str, int]:
    """The attack cells, pairs and transfers of one panel."""
    cells = {
        model: bench.attack(
            model, [0.1 if status == "b" else status for status in toy.statuses[model]], **attack
        )
        for model in toy.families
    }
    for (source, target), border in toy.borders.items():
        # Each source has a size of its own, so an adaptation belongs to one source.
        size = list(toy.families).index(source)
        bench.sql.execute(
            "INSERT OR IGNORE INTO adaptations (height, width, cut, border)"
            " VALUES (?, ?, 'null', ?)",
            (size, size, border),
        )
        (adaptation,) = bench.sql.execute(
            "SELECT id FROM adaptations WHERE height = ? AND border = ?", (size, border)
        ).fetchone()
        pair = bench.sql.execute(
            "INSERT INTO pairs (source_cell_id, target_cell_id, adaptation_id) VALUES (?, ?, ?)",
            (cells[source], clean[target], adaptation),
        ).lastrowid
        for position, rank in toy.ranks[source, target].items():
            predicted = None if rank is None else LABEL if rank == 0 else LABEL + 1
            bench.sql.execute(
                "INSERT INTO transfers VALUES (?, ?, ?, ?)",
                (pair, bench.image(position), predicted, rank),
            )
        if border == "none":
            continue
        for position, right in toy.adapted[source, target].items():
            predicted = None if right is None else LABEL if right else LABEL + 1
            bench.sql.execute(
                "INSERT OR IGNORE INTO adapted_clean VALUES (?, ?, ?, ?)",
                (clean[target], adaptation, bench.image(position), predicted),
            )
    bench.commit()
    return cells


Counts = tuple[tuple[int, int, int], tuple[int, int, int]]


def by_loops(
    toy: Toy, source: str, target: str, *, targeted: bool, k: int, denominator: str, border: str
) -> Counts | None:
    """(hits, images, missing) of the rate and of the clean error; None: no such cell."""
    statuses = toy.statuses[source]
    attacked = [i for i, status in enumerate(statuses) if status in ("b", "r")]
    kept = toy.borders.get((source, target)) in ("none", border) and toy.ranks[source, target]
    own: Mapping[int, bool | None] = dict(enumerate(toy.clean[target]))
    if kept and toy.borders[source, target] != "none":
        own = toy.adapted[source, target]
    wrong = known = 0
    for image in attacked:
        if own.get(image) is not None:
            known += 1
            wrong += own[image] is False
    clean = (wrong, known, len(attacked) - known)
    if source == target and k == 1:
        broken = sum(statuses[image] == "b" for image in attacked)
        return ((broken, len(attacked), 0), clean) if attacked else None
    if not kept:
        return None
    ranks = toy.ranks[source, target]
    hits = images = missing = rows = counted = 0
    for image in attacked:
        if denominator == "code":
            if own.get(image) is False:
                continue
            if own.get(image) is None:
                missing += 1
                continue
        counted += 1
        rows += image in ranks
        rank = ranks.get(image)
        if rank is None:
            missing += 1
            continue
        images += 1
        hits += rank < k if targeted else rank != 0
    return None if counted and not rows else ((hits, images, missing), clean)
