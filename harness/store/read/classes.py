"""What people call a dataset's classes."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection


def class_names(db: Connection, dataset: str) -> Sequence[str]:
    """The names of the classes of the dataset called ``dataset``; empty: nobody said."""
    return _classes(db, dataset, "$.class_names")


def class_ids(db: Connection, dataset: str) -> Sequence[str]:
    """What a public vocabulary calls them, or else their names; empty: nobody said."""
    return _classes(db, dataset, "$.class_ids") or class_names(db, dataset)


def _classes(db: Connection, dataset: str, place: str) -> Sequence[str]:
    rows = db.execute(
        "SELECT value FROM components, json_each(about, ?1) WHERE components.id ="
        " (SELECT max(id) FROM components WHERE kind = 'dataset' AND name = ?2"
        " AND json_extract(about, ?1) IS NOT NULL) ORDER BY key",
        [place, dataset],
    )
    return [str(name) for (name,) in rows]


def labels(db: Connection, dataset: str) -> dict[int, int]:
    """The label of each image of the dataset called ``dataset``, by the image's number."""
    return dict(
        db.execute(
            "SELECT images.id, label FROM images JOIN components ON components.id = dataset_id"
            " WHERE components.name = ?",
            [dataset],
        ).fetchall()
    )


def name_of(label: int | None, names: Sequence[str]) -> str | None:
    """What a class is called besides its number; None: nothing else."""
    name = names[label] if label is not None and 0 <= label < len(names) else ""
    return None if name in ("", str(label)) else name


def named(label: int, names: Sequence[str]) -> str:
    """``3 (cat)``; the number alone where the class is called nothing else."""
    name = name_of(label, names)
    return str(label) if name is None else f"{label} ({name})"
