"""Parquet shards as Hugging Face has them: the columns ``image`` {bytes, path} and ``label``."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.api import DataError, DatasetSpec, MissingError
from harness_datasets.names import image_id
from harness_datasets.shards import DamagedShard, checked_label, gathered
from harness_datasets.source import Photo, Source


def parquet(root: Path, spec: DatasetSpec) -> list[Photo]:
    """The images of ``<root>/*.parquet``.

    Raises:
        MissingError: pyarrow is not installed.
    """
    need_pyarrow(spec, root)
    return gathered(root, ".parquet", _listed)


def need_pyarrow(spec: DatasetSpec, root: Path) -> None:
    """
    Raises:
        MissingError: it is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingError(
            "Parquet and Arrow files need pyarrow, which is not installed",
            where=f"dataset {spec.name}: {root}",
            hint="pip install 'frontier-harness[datasets]'",
        ) from error


def _listed(path: Path) -> Iterator[Photo]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            shard, metadata = Shard(path, file.metadata), file.metadata
            table = file.read(columns=["image.path", "label"], use_threads=False)
        names = [(row or {}).get("path") for row in table.column("image").to_pylist()]
        labels = table.column("label").to_pylist()
    except KeyError as error:
        raise DamagedShard("has no columns image {bytes, path} and label") from error
    except (OSError, ArrowException) as error:
        raise DamagedShard(f"cannot be read: {error}") from error
    row = 0
    for group in range(metadata.num_row_groups):
        for within in range(metadata.row_group(group).num_rows):
            label = checked_label(labels[row], f"{path}: row {row}")
            name = image_id(names[row] or "", f"{path.name}/{row}")
            yield Photo(name, label, RowSource(shard, group, within, row))
            row += 1


class Shard:
    """One file. It is read one row group at a time (100 images in the mirror's), by one thread.

    ``column`` holds the images' bytes: by itself, or as a field of others.
    """

    def __init__(self, path: Path, metadata: Any, column: str = "image.bytes") -> None:
        self.path, self._metadata, self._column = path, metadata, column
        self._lock = threading.Lock()
        self._digests: dict[int, list[str | None]] = {}

    def digests(self, group: int) -> list[str | None]:
        """SHA-256 of each image of the row group: who asks for one soon asks for others."""
        with self._lock:
            if group not in self._digests:
                self._digests[group] = [
                    hashlib.sha256(content.as_buffer()).hexdigest() if content.is_valid else None
                    for content in self._contents(group)
                ]
            return self._digests[group]

    def content(self, group: int, row: int) -> bytes | None:
        with self._lock:
            found: bytes | None = self._contents(group)[row].as_py()
        return found

    def _contents(self, group: int) -> Any:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        try:
            with ParquetFile(self.path, metadata=self._metadata) as file:
                table = file.read_row_group(group, columns=[self._column], use_threads=False)
                name, _, field = self._column.rpartition(".")
                found = table.column(name or field).combine_chunks()
                return found.field(field) if name else found
        except (OSError, ArrowException) as error:
            cause = f"row group {group} cannot be read: {error}"
            raise DataError(cause, where=str(self.path), hint="get the shard again") from error


class RowSource(Source):
    """The image in one row."""

    __slots__ = ("_group", "_row", "_shard", "_within")

    def __init__(self, shard: Shard, group: int, within: int, row: int) -> None:
        self._shard, self._group, self._within, self._row = shard, group, within, row

    @property
    def where(self) -> str:
        return f"{self._shard.path}: row {self._row}"

    def open(self) -> io.BytesIO:
        content = self._shard.content(self._group, self._within)
        if content is None:
            raise self._empty()
        return io.BytesIO(content)

    def digest(self) -> str:
        found = self._shard.digests(self._group)[self._within]
        if found is None:
            raise self._empty()
        return found

    def _empty(self) -> DataError:
        return DataError("holds no bytes", where=self.where, hint="get the shard again")
