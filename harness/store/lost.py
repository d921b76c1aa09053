"""Saved images whose files are missing or damaged, and files that belong to nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.sealed import problem
from harness.store.artifacts import folder_of
from harness.store.database import file_errors, path_of, transaction

if TYPE_CHECKING:
    from sqlite_utils import Database

AT_ONCE = 2**30
"""Bytes that `lost_files` hashes: about a second's. Every file is hashed before it is used."""

_OURS = re.compile(r"[0-9a-f]{64}\.(safetensors|partial)")


@dataclass(frozen=True, slots=True)
class Lost:
    """A file that outcomes name and that is not as it was, and why."""

    file: Path
    why: str


def lost_files(db: Database, cells: Iterable[str]) -> list[Lost]:
    """The files with saved images of these cell keys that are missing or damaged.

    Of those beyond `AT_ONCE` bytes only the size is looked at.
    """
    folder, found, left = folder_of(path_of(db)), list[Lost](), AT_ONCE
    rows = db.execute(
        "SELECT DISTINCT path, sha256, bytes FROM artifacts"
        " JOIN cells ON cells.id = artifacts.cell_id"
        " WHERE cells.key IN (SELECT value FROM json_each(?)) AND sha256 IS NOT NULL"
        " AND EXISTS (SELECT 1 FROM outcomes WHERE outcomes.cell_id = cells.id"
        "  AND artifact_id = artifacts.id) ORDER BY bytes, path",
        [json.dumps(list(cells))],
    )
    for name, sha256, size in rows:
        left -= size
        file = folder / name
        why = problem(file, sha256) if left >= 0 else _by_size(file, size)
        if why is not None:
            found.append(Lost(file, why))
    return found


def _by_size(file: Path, size: int) -> str | None:
    try:
        return None if file.stat().st_size == size else "is damaged"
    except OSError:
        return "is gone"


def orphans(db: Database) -> list[Path]:
    """Files of the artifact folder that no row names, of those that only the harness makes."""
    folder = folder_of(path_of(db))
    named = {name for (name,) in db.execute("SELECT path FROM artifacts")}
    with file_errors(folder):
        files = sorted(folder.iterdir()) if folder.exists() else []
    return [file for file in files if _OURS.fullmatch(file.name) and file.name not in named]


@dataclass(frozen=True, slots=True)
class Repair:
    """What `forget_lost` did: ``images`` were in ``files``; ``removed`` files were orphans."""

    images: int
    files: int
    removed: int


def forget_lost(db: Database) -> Repair:
    """Forget saved images whose files are missing or damaged, and remove what belongs to nothing.

    Outcomes stay; where a suite keeps its sets, the next run makes the images again. The caller is
    the database's writer.

    Raises:
        StoreError: the folder cannot be written.
    """
    folder = folder_of(path_of(db))
    rows = db.execute("SELECT id, cell_id, path, sha256 FROM artifacts WHERE sha256 IS NOT NULL")
    lost = [row for row in rows.fetchall() if problem(folder / row[2], row[3]) is not None]
    images = 0
    with transaction(db) as connection:
        for artifact, cell, _, _ in lost:
            images += connection.execute(
                "UPDATE outcomes SET artifact_id = NULL, artifact_row = NULL"
                " WHERE cell_id = ? AND artifact_id = ?",
                [cell, artifact],
            ).rowcount
            connection.execute("DELETE FROM artifacts WHERE id = ?", [artifact])
    loose = orphans(db)  # the damaged ones too, by now
    damaged = {folder / path for _, _, path, _ in lost}
    for file in loose:
        with file_errors(file):
            file.unlink()
    return Repair(images, len(damaged), len(set(loose) - damaged))
