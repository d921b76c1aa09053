"""Runs that are parts of one plan: which belong together, and what the database lacks of the whole.

A part's run has the images of its part, at their positions in the plan; its cells have the plan's
numbers of images. What no part has brought yet is missing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from sqlite3 import Connection

from harness.identity import tagged_hash


def together(db: Connection, run: int) -> list[int]:
    """The runs of the plan that ``run`` is a part of; itself alone where it is not."""
    rows = db.execute(
        "SELECT id FROM runs WHERE id = ?1"
        " OR plan_id = (SELECT plan_id FROM runs WHERE id = ?1) ORDER BY id",
        (run,),
    )
    return [number for (number,) in rows]


def suite_of(db: Connection, run: int) -> str:
    """The suite of a run."""
    (suite,) = db.execute("SELECT suite FROM runs WHERE id = ?", (run,)).fetchone()
    return str(suite)


def plan_images(db: Connection, run: int) -> tuple[int, list[str]] | None:
    """Dataset and image ids, in plan order, of the plan that ``run`` is a part of; else None."""
    row = db.execute(
        "SELECT (SELECT dataset_id FROM run_cells JOIN cells ON cells.id = cell_id"
        " WHERE run_id = runs.id LIMIT 1), images FROM runs JOIN plans ON plans.id = plan_id"
        " WHERE runs.id = ?",
        (run,),
    ).fetchone()
    return None if row is None else (row[0], json.loads(row[1]))


def placeholder(dataset: int, name: str) -> int:
    """The number, below 0, of an image that only parts which are not here have."""
    return -1 - int(tagged_hash("missing image", [dataset, name])[:12], 16)


@dataclass(frozen=True, slots=True)
class Lack:
    """What the runs of a plan lack.

    Attributes:
        parts: the numbers of the missing parts, of ``of``.
        images: how many images of the plan, which has ``total``, are in no run.
    """

    parts: tuple[int, ...]
    of: int
    images: int
    total: int

    def __str__(self) -> str:
        which = ranges(self.parts)
        one = len(self.parts) == 1
        what = f"part {which} of {self.of} is" if one else f"parts {which} of {self.of} are"
        return (
            f"{what} missing, {self.images} of {self.total} images: `harness merge PART.db` adds a"
            " part's database"
        )


def lacking(db: Connection, suite: str, run: int | None = None) -> list[Lack]:
    """What each plan of the suite's runs lacks, or that of ``run`` alone; of whole runs nothing.

    An image that any run of the suite has is not missing.
    """
    latest = db.execute(
        "SELECT max(id), parts FROM runs WHERE plan_id IS NOT NULL AND suite = ?1"
        " AND (?2 IS NULL OR plan_id = (SELECT plan_id FROM runs WHERE id = ?2))"
        " GROUP BY plan_id ORDER BY 1",
        (suite, run),
    ).fetchall()
    if not latest:
        return []
    known = set(
        db.execute(
            "SELECT DISTINCT dataset_id, name FROM runs JOIN run_images ON run_id = runs.id"
            " JOIN images ON images.id = image_id WHERE suite = ?",
            (suite,),
        ).fetchall()
    )
    found = []
    for number, of in latest:
        planned = plan_images(db, number)
        assert planned is not None
        dataset, names = planned
        gone = [place for place, name in enumerate(names) if (dataset, name) not in known]
        if gone:
            parts = sorted({place % of + 1 for place in gone})
            found.append(Lack(tuple(parts), of, len(gone), len(names)))
    return found


def ranges(numbers: Sequence[int]) -> str:
    """``1, 3-5``."""
    runs = groupby(enumerate(numbers), key=lambda each: each[1] - each[0])
    texts = []
    for _, members in runs:
        first, *rest = [number for _, number in members]
        texts.append(f"{first}-{rest[-1]}" if rest else str(first))
    return ", ".join(texts)
