"""The dataset reader ``parquet``: any classes, images as files in rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.api import DatasetSpec, MissingError
from harness_datasets import tree
from harness_datasets.parquet import RowSource, Shard, need_pyarrow
from harness_datasets.photos import (
    COMMON,
    Columns,
    PhotoDataset,
    columns,
    hugging_face,
    label_of,
    named_classes,
)
from harness_datasets.source import Photo

SPLITS = ("test", "validation", "val", "train")


class ParquetDataset(PhotoDataset):
    """A file, or a folder's ``*.parquet`` in the order of their names.

    The image is a column of bytes, or of {bytes, path} as Hugging Face has it. Of files that are
    called after splits (``test-00000-of-00001.parquet``) one split is read: the first of `SPLITS`.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        tree.refuse_unknown_options(spec, COMMON)
        root = spec.root
        if root is None or not root.is_file():
            root = tree.root_of(spec)
        need_pyarrow(spec, root)
        photos, names = list[Photo](), tuple[str, ...]()
        for path in _files(root, spec):
            photos, names = _with(photos, names, path, spec)
        super().__init__(spec, photos, names)


def _files(root: Path, spec: DatasetSpec) -> list[Path]:
    if root.is_file():
        return [root]
    found = [path for path in tree.visible(root) if path.suffix.lower() == ".parquet"]
    wanted = spec.options.get("split")
    for split in SPLITS if wanted is None else (wanted,):
        word = re.compile(rf"(?<![a-z]){re.escape(str(split))}(?![a-z])", re.IGNORECASE)
        if some := [path for path in found if word.search(path.name)]:
            return some
    if wanted is not None or not found:
        split = "" if wanted is None else f" of split {wanted!r}"
        raise MissingError(f"holds no *.parquet{split}", where=f"dataset {spec.name}: {root}")
    return found


def _with(
    photos: list[Photo], names: tuple[str, ...], path: Path, spec: DatasetSpec
) -> tuple[list[Photo], tuple[str, ...]]:
    """``photos`` and those of ``path``, numbered on; and the names of the classes."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            which = columns(spec, schema.names, hugging_face(schema.metadata), str(path))
            field = schema.field(which.image).type
            labels = file.read(columns=[which.label], use_threads=False)[which.label].to_pylist()
    except (OSError, ArrowException) as error:
        raise MissingError(
            f"cannot be read: {error}", where=str(path), hint="get the file again"
        ) from error
    shard = Shard(path, metadata, _bytes_column(field, which, path))
    names = named_classes(labels, which.names or names)
    numbers = {name: number for number, name in enumerate(names)}
    new = _rows(shard, metadata, labels, numbers, len(photos))
    return [*photos, *new], names


def _rows(
    shard: Shard, metadata: Any, labels: list[Any], numbers: dict[str, int], first: int
) -> Iterator[Photo]:
    row = 0
    for group in range(metadata.num_row_groups):
        for within in range(metadata.row_group(group).num_rows):
            label = label_of(labels[row], numbers, f"{shard.path}: row {row}")
            yield Photo(f"{first + row:05d}", label, RowSource(shard, group, within, row))
            row += 1


def _bytes_column(kind: Any, which: Columns, path: Path) -> str:
    """The column that holds the images' bytes."""
    from pyarrow import types

    if types.is_binary(kind) or types.is_large_binary(kind):
        return which.image
    if types.is_struct(kind) and any(field.name == "bytes" for field in kind):
        return f"{which.image}.bytes"
    raise MissingError(
        f"column {which.image!r} is {kind}, not bytes of image files",
        where=str(path),
        hint="save encoded images (PNG, JPEG): a column of bytes, or of {bytes, path}",
    )
