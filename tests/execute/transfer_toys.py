"""The toy suite of the transfers' tests, and questions to the database."""

from __future__ import annotations

import sqlite3

MODELS = {"small": (7, 8), "large": (11, 8), "twin": (7, 8), "late": (8, 7)}
"""Height and width; ``twin`` has the size of ``small``."""

PAIRS = """
SELECT sources.name, targets.name, cells.goal, images.name, transfers.predicted, rank, border,
  cells.label
FROM transfers JOIN pairs ON pairs.id = pair_id
JOIN adaptations ON adaptations.id = adaptation_id
JOIN images ON images.id = transfers.image_id
JOIN cells ON cells.id = source_cell_id JOIN cells AS own ON own.id = target_cell_id
JOIN components AS sources ON sources.id = cells.model_id
JOIN components AS targets ON targets.id = own.model_id
"""


def registry(models: tuple[str, ...], transfer: str = "{}", keep: str = "true") -> str:
    """An overlay with the suite ``toys`` of ``models``."""
    entries = "\n".join(
        f"  {name}: {{loader: toy, architecture: '{seed}', family: toys, classes: 6,"
        f" preprocessing: {{size: [{height}, {width}]}}}}"
        for seed, (name, (height, width)) in enumerate(MODELS.items())
    )
    return f"""\
datasets:
  halves: {{reader: halves, version: "1", classes: 6}}
models:
{entries}
suites:
  toys:
    dataset: halves
    models: [{", ".join(models)}]
    transfer: {transfer}
    attacks:
      - {{attack: fgsm, goals: [untargeted, random], parameters: {{epsilon: 0.05}}, keep: {keep}}}
      - {{attack: fgsm, goals: [random], parameters: {{epsilon: 0.02}}, keep: true}}
    metrics: [accuracy]
"""


def query(statement: str, *values: object, db: str = "harness.db") -> list[tuple]:
    with sqlite3.connect(db) as connection:
        return connection.execute(statement, values).fetchall()


def attacked(model: str) -> int:
    """How many candidates a model has."""
    ((count,),) = query(
        "SELECT count(*) FROM samples WHERE model = ? AND status IN ('broken', 'robust')", model
    )
    return count
