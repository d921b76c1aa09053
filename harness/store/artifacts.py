"""Saved adversarial examples: files in ``<database>.artifacts/`` beside the database.

While a cell runs, its images are appended to ``open/<cell key>.shard``: float32 rows, nothing
else. When the cell's attempt ends, the shard is sealed as ``<sha256>.safetensors`` (tensor
``images``, shape (n, channels, height, width)). Each step is on the disk before the next one relies
on it::

    file -> its `artifacts` row -> rows in the file -> outcomes that name them
    sealed file -> the `artifacts` row names it -> the shard goes

so a kill at any point leaves at most rows that nothing names, which `recover` drops.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness import sealed
from harness.errors import StoreError
from harness.identity import file_sha256
from harness.sealed import REPAIR, problem
from harness.store.database import file_errors, path_of, transaction

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlite_utils import Database

ROLL_BYTES = 256 * 2**20
"""A shard of this size is sealed and a new one begun: what is damaged is lost as a whole."""

_OWN = re.compile(r"[0-9a-f]{64}\.safetensors|open/[0-9a-f]{64}\.shard")

_FLOAT = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class KeptRow:
    """Where a saved candidate lies: an artifact's id in the database, and a row of its tensor."""

    artifact: int
    row: int


@dataclass(slots=True)
class _Shard:
    """An open shard: its `artifacts` row, file, row shape, and rows so far."""

    artifact: int
    path: Path
    shape: tuple[int, ...]
    rows: int = 0

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape)) * _FLOAT.itemsize


def folder_of(database: Path) -> Path:
    """The artifacts' folder of the database at ``database``."""
    return Path(f"{database.resolve()}.artifacts")


def own_file(folder: Path, name: str) -> Path:
    """The file of this name in an artifact folder; for whoever writes or removes it.

    Raises:
        StoreError: the harness makes none of that name; it may lie anywhere.
    """
    if not _OWN.fullmatch(name):
        raise StoreError(
            f"there is no file of saved images named {name!r}",
            where=str(folder),
            hint="the database was not written by the harness, or is damaged",
        )
    return folder / name


class Artifacts:
    """The writer's side: append, seal, recover. Made by `Writer`, which holds the lock."""

    def __init__(self, folder: Path, db: Database) -> None:
        self.folder = folder
        self._db = db
        self._shards: dict[str, _Shard] = {}

    def append(self, cell_key: str, images: NDArray[np.float32]) -> list[KeptRow]:
        """Keep ``images``, float32 (n, channels, height, width); on the disk when it returns.

        Raises:
            StoreError: the disk is full, or the folder cannot be written.
        """
        data = np.ascontiguousarray(images, dtype=_FLOAT)
        if not len(data):
            return []
        shard = self._shards.get(cell_key)
        if shard is not None and shard.rows * shard.row_bytes >= ROLL_BYTES:
            self.seal(cell_key)
            shard = None
        if shard is None:
            shard = self._shards[cell_key] = self._create(cell_key, data.shape[1:])
        if data.shape[1:] != shard.shape:
            raise ValueError(f"rows of shape {data.shape[1:]} in a shard of {shard.shape}")
        with file_errors(shard.path), shard.path.open("r+b") as file:
            # What a failed append left behind the last row is overwritten.
            file.seek(shard.rows * shard.row_bytes)
            file.write(data.tobytes())
            file.flush()
            os.fsync(file.fileno())
        kept = [KeptRow(shard.artifact, shard.rows + row) for row in range(len(data))]
        shard.rows += len(data)
        return kept

    def seal(self, cell_key: str) -> None:
        """Turn the cell's shard into a sealed file; nothing to do if it has none."""
        shard = self._shards.get(cell_key)
        if shard is not None:
            self._seal(cell_key, shard)
            del self._shards[cell_key]

    def recover(self) -> None:
        """Seal what a dead process left open, as far as outcomes name it, and drop the rest."""
        rows = self._db.conn.execute(
            "SELECT artifacts.id, key, path, shape, coalesce(max(artifact_row) + 1, 0)"
            " FROM artifacts JOIN cells ON cells.id = artifacts.cell_id"
            " LEFT JOIN outcomes ON outcomes.cell_id = artifacts.cell_id"
            " AND outcomes.artifact_id = artifacts.id"
            " WHERE sha256 IS NULL GROUP BY artifacts.id"
        ).fetchall()
        for artifact, key, path, shape, named in rows:
            shard = _Shard(artifact, own_file(self.folder, path), tuple(json.loads(shape)))
            with file_errors(shard.path):
                size = shard.path.stat().st_size if shard.path.exists() else 0
            shard.rows = min(named, size // shard.row_bytes)
            if shard.rows < named:
                self._unname(shard)  # somebody removed the file
            self._seal(key, shard)
        with file_errors(self.folder):
            for leftover in (self.folder / "open").glob("*"):
                leftover.unlink()

    def remove(self, cells: Iterable[int]) -> list[Path]:
        """Within a transaction: delete the artifact rows of ``cells`` that no outcome names.

        Returns the files that no row names any more, for the caller to unlink after the commit.
        """
        connection = self._db.conn
        paths: set[str] = set()
        for cell in cells:
            paths.update(
                path
                for (path,) in connection.execute(
                    "DELETE FROM artifacts WHERE cell_id = ?1 AND id NOT IN (SELECT artifact_id"
                    " FROM outcomes WHERE cell_id = ?1 AND artifact_id IS NOT NULL)"
                    " RETURNING path",
                    [cell],
                ).fetchall()
            )
        still = {path for (path,) in connection.execute("SELECT path FROM artifacts")}
        return [own_file(self.folder, path) for path in sorted(paths - still)]

    def _create(self, cell_key: str, shape: tuple[int, ...]) -> _Shard:
        path = self.folder / "open" / f"{cell_key}.shard"
        with file_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
            for folder in (path.parent, self.folder, self.folder.parent):
                sync(folder)
        with transaction(self._db) as connection:
            artifact = connection.execute(
                "INSERT INTO artifacts (cell_id, path, shape)"
                " VALUES ((SELECT id FROM cells WHERE key = ?), ?, ?)",
                [cell_key, str(path.relative_to(self.folder)), json.dumps(shape)],
            ).lastrowid
        assert artifact is not None
        return _Shard(artifact, path, shape)

    def _seal(self, cell_key: str, shard: _Shard) -> None:
        if not shard.rows:
            with transaction(self._db) as connection:
                connection.execute("DELETE FROM artifacts WHERE id = ?", [shard.artifact])
        else:
            path, digest = self._write_sealed(cell_key, shard)
            with file_errors(path):
                size = path.stat().st_size
            with transaction(self._db) as connection:
                connection.execute(
                    "UPDATE artifacts SET path = ?, images = ?, sha256 = ?, bytes = ? WHERE id = ?",
                    [path.name, shard.rows, digest, size, shard.artifact],
                )
        with suppress(OSError):  # `recover` removes what stays
            shard.path.unlink()

    def _write_sealed(self, cell_key: str, shard: _Shard) -> tuple[Path, str]:
        """The sealed file, on the disk under its final name, and its SHA-256."""
        partial = shard.path.with_suffix(".partial")
        with file_errors(partial):
            with shard.path.open("rb") as rows, partial.open("wb") as file:
                sealed.write(rows, file, cell=cell_key, shape=(shard.rows, *shard.shape))
                file.flush()
                os.fsync(file.fileno())
            digest = file_sha256(partial)
            path = self.folder / f"{digest}.safetensors"
            partial.replace(path)
            sync(self.folder)
        return path, digest

    def _unname(self, shard: _Shard) -> None:
        with transaction(self._db) as connection:
            connection.execute(
                "UPDATE outcomes SET artifact_id = NULL, artifact_row = NULL"
                " WHERE artifact_id = ? AND artifact_row >= ?",
                [shard.artifact, shard.rows],
            )


def load(db: Database, artifact: int, row: int) -> NDArray[np.float32]:
    """A saved candidate, float32 (channels, height, width); also during the run that keeps it.

    Raises:
        StoreError: the file is gone or damaged.
    """
    from safetensors import SafetensorError, safe_open

    found = db.conn.execute(
        "SELECT path, shape, sha256 FROM artifacts WHERE id = ?", [artifact]
    ).fetchone()
    if found is None:
        raise StoreError(f"there is no artifact {artifact}", where=str(path_of(db)))
    name, shape, digest = found
    path, size = folder_of(path_of(db)) / name, tuple(json.loads(shape))
    try:
        if digest is None:
            pixels = int(np.prod(size))
            data = np.fromfile(path, _FLOAT, pixels, offset=row * pixels * _FLOAT.itemsize)
            return data.reshape(size).astype(np.float32, copy=False)
        if wrong := problem(path, digest):
            raise StoreError(wrong, where=str(path), hint=REPAIR)
        with safe_open(path, framework="numpy") as file:
            image: NDArray[np.float32] = file.get_slice("images")[row]
            return image
    except (OSError, SafetensorError, ValueError, IndexError) as error:
        raise StoreError(
            f"row {row} cannot be read ({error})", where=str(path), hint=REPAIR
        ) from error


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
