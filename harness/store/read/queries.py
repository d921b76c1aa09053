"""The best queries of attacks: the nearest adversarial points among all that were evaluated."""

from __future__ import annotations

import json
from sqlite3 import Connection

from harness.api import NORMS, Status
from harness.api.attacked import OutcomeRow
from harness.store.read.rows import outcomes

JUDGED = tuple(status.value for status in Status if status.judged)
"""The statuses with a verdict; its text is a list in SQL too."""


def best_outcomes(db: Connection, cell: int, *, replaced: bool = True) -> dict[int, OutcomeRow]:
    """`outcomes` with the best query, where it is nearer, in the place of the returned candidate.

    Its distance is known in the attack's norm alone.
    """
    (norm,) = db.execute("SELECT norm FROM cells WHERE id = ?", (cell,)).fetchone()
    found = outcomes(db, cell, replaced=replaced)
    for image, distance in db.execute(
        "SELECT image_id, best_query_distance FROM outcomes WHERE cell_id = ?"
        f" AND status IN {JUDGED} AND best_query_status = 'broken'",
        (cell,),
    ):
        row = found.get(image)
        if row is None:
            continue
        before = row.distortion(norm)
        if before is None or distance < before:
            unknown = dict.fromkeys(NORMS, None)
            found[image] = row._replace(
                status=Status.BROKEN,
                confident=False,
                rounded_status=None,
                **{**unknown, norm: distance},
            )
    return found


def are_kept(db: Connection, cell: int) -> bool:
    """Whether the best queries of an attack's cell are stored."""
    row = db.execute(
        "SELECT best_query_status IS NOT NULL FROM outcomes WHERE cell_id = ?"
        f" AND status IN {JUDGED} LIMIT 1",
        (cell,),
    ).fetchone()
    return bool(row and row[0])


def traces(db: Connection, cell: int) -> dict[int, list[float | None]]:
    """The traces of the best queries of a cell's images with a verdict; empty without a success."""
    rows = db.execute(
        "SELECT image_id, CASE best_query_status WHEN 'broken' THEN best_query_trace ELSE '[]' END"
        f" FROM outcomes WHERE cell_id = ? AND status IN {JUDGED}"
        " AND best_query_status IS NOT NULL",
        (cell,),
    )
    return {image: json.loads(trace) for image, trace in rows}
