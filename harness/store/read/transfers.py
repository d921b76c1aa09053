"""Transfers from attack cells to clean cells: read-only, one pair at a time, integers inside."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from sqlite3 import Connection

from harness.api import NORMS

SAME = "none"
"""The border of a pair whose source and target see the same images."""


@dataclass(frozen=True, slots=True)
class StoredPair:
    """A source's attack cell on a target's clean cell, with at least one transfer."""

    id: int
    source_cell: int
    target_cell: int
    adaptation: int
    border: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over some images of a pair.

    Attributes:
        stored: images with a row; ``usable`` of them have a prediction.
        hits: wrong predictions, or the target class among the first k.
    """

    stored: int
    usable: int
    hits: int


def linked_cells(db: Connection) -> frozenset[tuple[int, int]]:
    """(source cell, target's clean cell) of all pairs that have transfers."""
    rows = db.execute(
        "SELECT DISTINCT source_cell_id, target_cell_id FROM pairs"
        " WHERE EXISTS (SELECT 1 FROM transfers WHERE pair_id = pairs.id)"
    )
    return frozenset((source, target) for source, target in rows)


def stored_pairs(db: Connection, sources: Iterable[int]) -> list[StoredPair]:
    """The pairs of these source cells that have transfers."""
    rows = db.execute(
        "SELECT pairs.id, source_cell_id, target_cell_id, adaptation_id, border"
        " FROM pairs JOIN adaptations ON adaptations.id = adaptation_id"
        " WHERE source_cell_id IN (SELECT value FROM json_each(?))"
        " AND EXISTS (SELECT 1 FROM transfers WHERE pair_id = pairs.id) ORDER BY pairs.id",
        (json.dumps(sorted(sources)),),
    )
    return [StoredPair(*row) for row in rows]


def adapted_correct(db: Connection, pair: StoredPair) -> dict[int, bool | None]:
    """Whether the target classifies each adapted clean image correctly; None where that failed."""
    rows = db.execute(
        "SELECT image_id, predicted = label FROM adapted_clean"
        " JOIN images ON images.id = image_id WHERE target_cell_id = ? AND adaptation_id = ?",
        (pair.target_cell, pair.adaptation),
    )
    return {image: None if correct is None else bool(correct) for image, correct in rows}


def nearest_to(
    db: Connection, cell: int, clean: int, norm: str, *, targeted: bool
) -> dict[int, float | None]:
    """The smallest distance at which another model's adversarial example breaks each image.

    Those of attacks with the norm and goal of ``cell``, an attack's cell, count, for the same
    target class, where source and target see the same pixels; None: none of them breaks the image.

    Args:
        clean: the clean cell of the model of ``cell``.
    """
    if norm not in NORMS:
        raise ValueError(f"no such norm: {norm!r}")
    hit = "transfers.rank < 1" if targeted else "transfers.rank >= 1"
    rows = db.execute(
        f"SELECT transfers.image_id, min(CASE WHEN {hit} THEN theirs.{norm} END)"
        " FROM cells AS this CROSS JOIN pairs ON pairs.target_cell_id = :clean"
        " JOIN adaptations ON adaptations.id = pairs.adaptation_id AND border = :same"
        " JOIN cells AS source ON source.id = pairs.source_cell_id"
        " AND source.model_id <> this.model_id AND source.goal = this.goal AND source.norm = :norm"
        " CROSS JOIN transfers ON transfers.pair_id = pairs.id"
        " JOIN outcomes AS theirs ON theirs.cell_id = source.id"
        " AND theirs.image_id = transfers.image_id"
        " JOIN outcomes AS own ON own.cell_id = this.id AND own.image_id = transfers.image_id"
        " AND own.target IS theirs.target"
        " WHERE this.id = :cell GROUP BY 1",
        {"cell": cell, "clean": clean, "same": SAME, "norm": norm},
    )
    return dict(rows.fetchall())


def tally(db: Connection, pair: int, images: Iterable[int], *, k: int | None) -> Tally:
    """Counts over ``images`` of a pair; ``k`` None counts wrong predictions.

    The rank is that of the target class, for untargeted attacks of the true one: it is 0 exactly
    where the target predicts that class.
    """
    hit, bound = ("rank >= ?", 1) if k is None else ("rank < ?", k)
    row = db.execute(
        f"SELECT count(*), count(rank), coalesce(sum({hit}), 0) FROM transfers"
        " WHERE pair_id = ? AND image_id IN (SELECT value FROM json_each(?))",
        (bound, pair, json.dumps(list(images))),
    ).fetchone()
    return Tally(*row)
