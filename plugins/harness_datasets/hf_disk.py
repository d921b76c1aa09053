"""The dataset reader ``hf-disk``: what Hugging Face's ``datasets`` writes with save_to_disk."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.api import ConfigError, DataError, DatasetSpec, MissingError
from harness_datasets import tree
from harness_datasets.parquet import need_pyarrow
from harness_datasets.photos import COMMON, PhotoDataset, columns, label_of, named_classes
from harness_datasets.source import Photo, Source

SPLITS = ("test", "validation", "train")


class HfDiskDataset(PhotoDataset):
    """A saved ``Dataset``, or one split of a saved ``DatasetDict``: the first of `SPLITS`.

    Read with pyarrow, memory-mapped; Hugging Face's library is not needed. The columns are those
    whose features are ``Image`` and ``ClassLabel``; of several the options choose.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        tree.refuse_unknown_options(spec, COMMON)
        root = _split(tree.root_of(spec), spec)
        need_pyarrow(spec, root)
        info, state = _json(root / "dataset_info.json"), _json(root / "state.json")
        files = [str(each.get("filename")) for each in state.get("_data_files") or ()]
        if state.get("_indices_files") or not files:
            raise MissingError(
                "is no dataset that save_to_disk wrote whole",
                where=f"dataset {spec.name}: {root}",
                hint="write it again: dataset.save_to_disk(FOLDER)",
            )
        photos, names = list[Photo](), tuple[str, ...]()
        for name in files:
            path = root / Path(name).name  # names in it never lead elsewhere
            table = _table(path)
            which = columns(spec, table.column_names, info.get("features") or {}, str(path))
            labels = table.column(which.label).to_pylist()
            names = named_classes(labels, which.names or names)
            photos += _rows(table.column(which.image), labels, names, path, len(photos))
        super().__init__(spec, photos, names)


def _split(root: Path, spec: DatasetSpec) -> Path:
    """The folder of one split."""
    wanted, where = spec.options.get("split"), f"dataset {spec.name}: {root}"
    if not (root / "dataset_dict.json").is_file():
        if wanted is not None:
            raise ConfigError("has no splits", where=where, hint="leave the option split out")
        if not (root / "state.json").is_file():
            raise MissingError(
                "is no folder of save_to_disk", where=where, hint="it has a state.json"
            )
        return root
    splits = [str(name) for name in _json(root / "dataset_dict.json").get("splits") or ()]
    found = [name for name in ((wanted,) if wanted is not None else SPLITS) if name in splits]
    if not found:
        what = "say the dataset's option split" if wanted is None else f"no split {wanted!r}"
        raise ConfigError(what, where=where, hint=f"choose from {', '.join(splits)}")
    return root / Path(found[0]).name


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or error
        raise MissingError(
            f"cannot be read: {cause}", where=str(path), hint="write the dataset again"
        ) from error
    return found if isinstance(found, dict) else {}


def _table(path: Path) -> Any:
    import pyarrow

    try:
        return pyarrow.ipc.open_stream(pyarrow.memory_map(str(path))).read_all()
    except (OSError, pyarrow.ArrowException) as error:
        raise MissingError(
            f"cannot be read: {error}", where=str(path), hint="write the dataset again"
        ) from error


def _rows(
    images: Any, labels: list[Any], names: tuple[str, ...], path: Path, first: int
) -> Iterator[Photo]:
    from pyarrow import types

    kind = images.type
    fields = {field.name for field in kind} if types.is_struct(kind) else set()
    if "bytes" not in fields and not types.is_binary(kind):
        raise MissingError(
            f"the images are {kind}, not image files",
            where=str(path),
            hint="cast the column: dataset.cast_column('image', datasets.Image())",
        )
    numbers = {name: number for number, name in enumerate(names)}
    for row, label in enumerate(labels):
        source = _RowSource(path, images, row)
        yield Photo(f"{first + row:05d}", label_of(label, numbers, source.where), source)


class _RowSource(Source):
    """The image in one row: save_to_disk brings the bytes of files along."""

    __slots__ = ("_images", "_path", "_row")

    def __init__(self, path: Path, images: Any, row: int) -> None:
        self._path, self._images, self._row = path, images, row

    @property
    def where(self) -> str:
        return f"{self._path}: row {self._row}"

    def open(self) -> io.BytesIO:
        found = self._images[self._row].as_py()
        content = found.get("bytes") if isinstance(found, dict) else found
        if not isinstance(content, bytes):
            raise DataError("holds no bytes", where=self.where, hint="write the dataset again")
        return io.BytesIO(content)
