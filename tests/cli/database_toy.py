"""A database of the size of a run of digits18-full, and what a query costs without a clock."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
IMAGES = 180

TIDY = """
-- an image that nothing breaks, and some that fail
UPDATE outcomes SET status = 'robust' WHERE status = 'broken'
  AND image_id = (SELECT min(image_id) FROM outcomes WHERE status = 'broken');
UPDATE outcomes SET status = 'error', error = 'it raised' WHERE cell_id % 50 = 3
  AND image_id % 60 = 0 AND status = 'broken';
-- transfers of what was attacked, with ranks that fit the predictions
DELETE FROM transfers WHERE NOT EXISTS (
  SELECT 1 FROM pairs JOIN outcomes ON cell_id = source_cell_id
  WHERE pairs.id = pair_id AND outcomes.image_id = transfers.image_id
    AND status IN ('robust', 'broken'));
UPDATE transfers SET predicted = (SELECT label FROM images WHERE images.id = image_id)
  WHERE (pair_id + image_id) % 3 = 0;
UPDATE transfers SET rank = CASE predicted WHEN (SELECT label FROM images WHERE id = image_id)
  THEN 0 ELSE 1 + rank % 998 END;
-- classes with names
UPDATE components SET about = json_set(about, '$.class_names', json('["tench", "goldfish"]'))
  WHERE kind = 'dataset';
UPDATE transfers SET predicted = NULL, rank = NULL WHERE (pair_id + image_id) % 101 = 0;
"""


def fill(path: Path) -> None:
    """18 models, 24 attack cells each (five configurations of I-FGSM), 0.3 M transfers."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import synthetic
    finally:
        sys.path.remove(str(BENCHMARKS))
    synthetic.fill(path, IMAGES)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(TIDY)


def steps(db: sqlite3.Connection, query: str) -> float:
    """The steps of SQLite's machine that a query takes, in millions: about 0.015 s each."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1

    db.set_progress_handler(tick, 1000)
    try:
        for _ in db.execute(query):
            pass
    finally:
        db.set_progress_handler(None, 0)
    return count / 1000
