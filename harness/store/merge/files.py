"""Saved images of one database for another: files under their content, copied before they count."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection

from harness.errors import StoreError
from harness.identity import file_sha256
from harness.store.artifacts import own_file, sync
from harness.store.database import file_errors
from harness.store.merge.rows import make_map
from harness.store.write import incoming


class Files:
    """Copies files from one artifact folder to another; `made` are those that were not there."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = source, target
        self.made: list[Path] = []

    def copy(self, name: str, sha256: str) -> None:
        """Have the file ``name`` in the target's folder, on the disk when it returns.

        Raises:
            StoreError: it is missing or damaged, or cannot be written.
        """
        here, there = self.target / name, self.source / name
        partial = here.with_suffix(".partial")
        with file_errors(partial):
            if here.exists():
                return
            if not there.exists():
                raise StoreError(
                    "the file is not there", where=str(there), hint="copy the artifact folder too"
                )
            self.made.append(partial)
            shutil.copyfile(there, partial)
            if file_sha256(partial) != sha256:
                raise StoreError(
                    "the file is damaged: its SHA-256 is another one",
                    where=str(there),
                    hint="restore a copy of the artifact folder",
                )
            sync(partial)
            partial.replace(here)
            self.made.append(here)
            sync(self.target)


@contextmanager
def all_or_nothing(files: Files) -> Iterator[Files]:
    """What was copied goes again where the block fails; `incoming.settle` does it after a kill."""
    try:
        yield files
    except BaseException:
        for file in files.made:
            with suppress(OSError):
                file.unlink()
        raise
    finally:
        incoming.done(files.target)


def take_artifacts(connection: Connection, files: Files) -> int:
    """The artifacts that outcomes to be taken name: rows, files and ``map_artifacts``.

    Comes after ``compared_outcomes``. Returns how many were not there.

    Raises:
        StoreError: a file is missing or damaged, or an image still lies in an open shard.
    """
    make_map(connection, "artifacts")
    needed = connection.execute(
        "SELECT id, (SELECT here FROM map_cells WHERE other = artifacts.cell_id), path, shape,"
        " images, sha256, bytes FROM other.artifacts WHERE id IN (SELECT artifact_id"
        " FROM compared_outcomes AS c JOIN other.outcomes AS o"
        " ON o.cell_id = c.cell_id AND o.image_id = c.image_id"
        " WHERE c.verdict IN ('added', 'replaced')) ORDER BY id"
    ).fetchall()
    for _, _, path, _, _, sha256, _ in needed:
        _refuse(files.source, path, sha256)
    with file_errors(files.target):
        new = [path for _, _, path, *_ in needed if not (files.target / path).exists()]
    if new:
        incoming.announce(files.target, new)
    added = 0
    for number, cell, path, shape, images, sha256, size in needed:
        files.copy(path, sha256)
        found = connection.execute(
            "SELECT id FROM main.artifacts WHERE cell_id = ? AND sha256 = ?", [cell, sha256]
        ).fetchone()
        if found is None:
            here = connection.execute(
                "INSERT INTO main.artifacts (cell_id, path, shape, images, sha256, bytes)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [cell, path, shape, images, sha256, size],
            ).lastrowid
            added += 1
        else:
            (here,) = found
        connection.execute("INSERT INTO map_artifacts VALUES (?, ?)", [number, here])
    return added


def _refuse(source: Path, path: str, sha256: str | None) -> None:
    """Refuse what is no sealed file of the source's folder."""
    if sha256 is None:
        raise StoreError(
            "is an open shard: saved images of a run that died",
            where=str(source / path),
            hint="the run's command, given again, finishes it",
        )
    own_file(source, path)  # it would be written wherever it says
