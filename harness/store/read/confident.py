"""The query behind the findings: what became of a cell's images, with the paper's success."""

from __future__ import annotations

from sqlite3 import Connection

from harness.store.read.cells import NORMS


def judged_rows(db: Connection, cell: int, norm: str) -> dict[int, tuple[str, float | None, bool]]:
    """Status, distortion in ``norm`` and whether the margin reached kappa, by image of a cell."""
    if norm not in NORMS:
        raise ValueError(f"no such norm: {norm!r}")
    rows = db.execute(
        f"SELECT image_id, status, {norm}, confident FROM outcomes WHERE cell_id = ?", (cell,)
    )
    return {image: (status, size, bool(sure)) for image, status, size, sure in rows}
