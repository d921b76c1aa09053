"""What people ask about cells: which there are, one cell, one image of it. JSON-like dicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.api import NORMS
from harness.errors import ConfigError
from harness.plugins import unknown
from harness.store.read import rows
from harness.store.read.cells import verdicts_of
from harness.store.read.classes import class_names, name_of
from harness.store.read.runs import CELLS, CLEAN_STATUS, Row
from harness.store.schema.latest import REPLACED

if TYPE_CHECKING:
    from sqlite_utils import Database

SHORTEST_PREFIX = 4
NAMES = ("key", "model", "attack", "goal", "seed", "dataset")
_TABLES = {"clean": "clean", "attack": "outcomes", "measurement": "measured"}


def cells(db: Database) -> list[Row]:
    """All cells with their keys, and how many images each holds."""
    rows = db.query(
        "SELECT cell_key AS key, model, attack_label AS attack, cells_named.goal AS goal, dataset,"
        " json_extract(policy, '$.precision') AS numerics, images"
        " FROM cells_named JOIN cells ON cells.id = cell_id ORDER BY cell_id"
    )
    return list(rows)


def find_cell(db: Database, prefix: str) -> Row:
    """The cell whose key begins with ``prefix``.

    Raises:
        ConfigError: the prefix is too short, names no cell, or more than one.
    """
    prefix = prefix.lower()
    if len(prefix) < SHORTEST_PREFIX or not set(prefix) <= set("0123456789abcdef"):
        raise ConfigError(
            f"{prefix!r} is not a cell",
            hint=f"give {SHORTEST_PREFIX} or more hex digits of a key that `harness show` lists",
        )
    found = list(db.query(f"{CELLS} WHERE substr(cells.key, 1, ?) = ?", [len(prefix), prefix]))
    if not found:
        keys = {row["key"][: len(prefix)] for row in cells(db)}
        raise unknown("cell", prefix, sorted(keys), see="`harness show`")
    if len(found) > 1:
        names = ", ".join(f"{row['key'][: len(prefix) + 4]} {row['model']}" for row in found[:3])
        raise ConfigError(
            f"{prefix!r} begins {len(found)} keys ({names})", hint="give more hex digits"
        )
    return found[0]


def cell_detail(db: Database, cell: Row) -> Row:
    """Everything about a cell of `find_cell`, over all images that it holds.

    The outcomes of an attack's cell are apart: see `rows.outcomes`.
    """
    identity = json.loads(cell["attack_identity"]) if cell["attack_identity"] else {}
    detail = {name: cell[name] for name in ("kind", *NAMES)}
    detail |= {"parameters": identity.get("parameters", {}), "version": identity.get("version")}
    detail |= {name: cell[name] for name in ("norm", "budget")}
    detail["policy"] = json.loads(cell["policy"])
    if cell["kind"] in _SUMMARIES:
        detail |= _SUMMARIES[cell["kind"]](db, cell)
    detail["scores"] = list(
        db.query(
            "SELECT run_id AS run, metric, value, images, unit FROM scores WHERE cell_id = ? AND"
            " run_id = (SELECT max(run_id) FROM scores WHERE cell_id = ?) ORDER BY metric",
            [cell["id"], cell["id"]],
        )
    )
    detail["attempts"] = list(
        db.query(
            "SELECT id AS attempt, run_id AS run, started, finished, status, device, batch_size,"
            " halvings, seconds, error FROM attempts WHERE cell_id = ? ORDER BY id",
            [cell["id"]],
        )
    )
    return detail


def _clean_summary(db: Database, cell: Row) -> Row:
    counts = dict(
        db.execute(
            f"SELECT {CLEAN_STATUS}, count(*) FROM clean JOIN images ON images.id = image_id"
            " WHERE cell_id = ? AND latest GROUP BY 1",
            [cell["id"]],
        ).fetchall()
    )
    correct, judged = counts.get("correct", 0), counts.get("correct", 0) + counts.get("wrong", 0)
    return {
        "images": sum(counts.values()),
        "statuses": counts,
        "correct": correct,
        "judged": judged,
    }


def _measured_summary(db: Database, cell: Row) -> Row:
    rows = db.execute(
        "SELECT status, count(*), sum(forwards), sum(backwards) FROM measured WHERE cell_id = ?"
        f" AND image_id NOT IN {REPLACED} GROUP BY 1",
        [cell["id"]],
    ).fetchall()
    counts = {status: count for status, count, _, _ in rows}
    tried = sum(count for status, count in counts.items() if status != "clean_wrong")
    return {
        "images": sum(counts.values()),
        "statuses": counts,
        "forwards_per_image": sum(row[2] for row in rows) / tried if tried else None,
        "backwards_per_image": sum(row[3] for row in rows) / tried if tried else None,
    }


_SUMMARIES = {"clean": _clean_summary, "measurement": _measured_summary}


def image_detail(db: Database, cell: Row, name: str) -> Row:
    """Everything stored of one image of a cell of `find_cell`, with the clean prediction.

    Raises:
        ConfigError: the cell holds no such image.
    """
    table = _TABLES[cell["kind"]]
    # An image whose file or label changed has several rows: that of the latest run counts.
    found = list(
        db.query(
            f"SELECT images.id AS id, images.name AS image, images.label AS label, images.digest AS"
            f" digest, {table}.* FROM {table} JOIN images ON images.id = image_id"
            " WHERE cell_id = ? AND images.name = ? ORDER BY latest DESC, images.id DESC LIMIT 1",
            [cell["id"], name],
        )
    )
    if not found:
        names = db.execute(
            f"SELECT images.name FROM {table} JOIN images ON images.id = image_id"
            " WHERE cell_id = ?",
            [cell["id"]],
        )
        see = f"the view `samples` (cell_key {cell['key'][:8]}…)"
        raise unknown("image", name, [known for (known,) in names], see=see)
    row = found[0]
    image = row.pop("id")
    detail = {name: cell[name] for name in NAMES}
    detail |= {name: value for name, value in row.items() if name not in ("cell_id", "image_id")}
    if table == "clean":
        detail["likeliest"] = row["likeliest"] and json.loads(row["likeliest"])
    else:
        numbers = db.execute(
            "SELECT name, value FROM measurements WHERE cell_id = ? AND image_id = ? ORDER BY name",
            [cell["id"], image],
        )
        detail["numbers"] = dict(numbers.fetchall())
        detail["clean"] = _clean_of(db, cell["id"], image)
    if table == "outcomes":
        detail["confident"] = bool(row["confident"])
        detail["kept"] = _kept(db, detail.pop("artifact_id"), detail.pop("artifact_row"))
    classes = class_names(db.conn, cell["dataset"])
    for what in ("label", "target", "predicted"):
        called = name_of(row.get(what), classes)
        if called is not None:
            detail[f"{what}_name"] = called
    if table == "measured":
        arrays = db.execute(
            "SELECT name, length(data) / 4 FROM arrays WHERE cell_id = ? AND image_id = ?"
            " ORDER BY name",
            [cell["id"], image],
        )
        detail["arrays"] = dict(arrays.fetchall())
        detail["brackets"] = _brackets(db, cell["id"], image, detail["numbers"])
    return detail


def _brackets(db: Database, cell: int, image: int, numbers: Row) -> dict[str, list[float | None]]:
    """For each score that bounds distortions its value, and the smallest known distortion."""
    scores = db.execute("SELECT DISTINCT metric FROM scores WHERE cell_id = ?", [cell])
    found: dict[str, list[float | None]] = {}
    for (name,) in sorted(scores.fetchall()):
        norm = name.partition(".")[0]
        if norm in NORMS and name in numbers:
            smallest = rows.smallest_distortions(db.conn, cell, norm).get(image)
            found[name] = [numbers[name], smallest]
    return found


def _kept(db: Database, artifact: int | None, row: int | None) -> Row | None:
    if artifact is None:
        return None
    (path,) = db.execute("SELECT path FROM artifacts WHERE id = ?", [artifact]).fetchone()
    return {"artifact": artifact, "path": path, "row": row}


def _clean_of(db: Database, cell: int, image: int) -> Row | None:
    """The clean prediction of an image by the model of an attack cell."""
    found = db.query(
        "SELECT own.key AS key, predicted, margin, least, second, error FROM cells AS this"
        " JOIN cells AS own ON own.attack_id IS NULL AND own.model_id = this.model_id"
        f" AND own.dataset_id = this.dataset_id AND own.policy = {verdicts_of('this')}"
        " JOIN clean ON clean.cell_id = own.id WHERE this.id = ? AND image_id = ?",
        [cell, image],
    )
    return next(iter(found), None)
