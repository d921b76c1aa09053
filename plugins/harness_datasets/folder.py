"""The data set reader ``folder``: image files as ``<root>/<class>/<file>``."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import ConfigError, DataError, Dataset, DatasetSpec, MissingError, Sample
from harness_datasets import picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})

_OPTIONS = {"classes": ("imagenet", "sorted"), "resize": tuple(picture.CUTS)}


class FolderDataset(Dataset):
    """Every picture under ``<root>/<class>/``, in the order of class folder and file name.

    An image's id is ``<class>/<file>``. Hidden files, files of other kinds and deeper folders are
    passed over.

    Options:
        classes: ``imagenet`` (default): folders are named by wnid and numbered as in timm's list of
            the 1,000 synsets; ``sorted``: any names, numbered in their order.
        resize: a preset of `picture.CUTS`; ``paper`` by default.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        super().__init__(spec)
        options = {name: _option(spec, name) for name in _OPTIONS}
        _refuse_unknown_options(spec)
        self._cut = picture.CUTS[options["resize"]]
        self._root = _root(spec)
        folders = sorted(path.name for path in _visible(self._root) if path.is_dir())
        if options["classes"] == "sorted":
            numbers: Mapping[str, int] = {name: number for number, name in enumerate(folders)}
        else:
            numbers = _imagenet()
            _refuse_other_folders(self._root, folders, numbers)
        self.classes = len(numbers)
        self._samples = tuple(
            Sample(f"{folder}/{name}", numbers[folder])
            for folder in folders
            for name in _pictures(self._root / folder)
        )
        if not self._samples:
            raise MissingError(
                f"holds no pictures ({', '.join(sorted(SUFFIXES))}) in class folders",
                where=f"data set {spec.name}: {self._root}",
                hint=f"give a folder of the shape <root>/<class>/<file>: --data {spec.name}=PATH",
            )

    def samples(self) -> Sequence[Sample]:
        return self._samples

    def digest(self, sample: Sample) -> str:
        path = self._root / sample.id
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error

    def read(self, sample: Sample, size: tuple[int, int]) -> NDArray[np.float32]:
        return picture.read(self._root / sample.id, self._cut, size)


def _option(spec: DatasetSpec, name: str) -> Any:
    allowed = _OPTIONS[name]
    value = spec.options.get(name, "imagenet" if name == "classes" else "paper")
    if value not in allowed:
        raise ConfigError(
            f"is {value!r}",
            where=f"data set {spec.name}: options.{name}",
            hint=f"choose from {', '.join(allowed)}",
        )
    return value


def _refuse_unknown_options(spec: DatasetSpec) -> None:
    for name in spec.options:
        if name not in _OPTIONS:
            raise ConfigError(
                f"unknown option {name!r}",
                where=f"data set {spec.name}: options",
                hint=f"the reader takes {', '.join(_OPTIONS)}",
            )


def _root(spec: DatasetSpec) -> Path:
    hint = f"say where it is: --data {spec.name}=PATH"
    if spec.root is None:
        raise MissingError("has no folder", where=f"data set {spec.name}", hint=hint)
    if not spec.root.is_dir():
        what = "is not a folder" if spec.root.exists() else "does not exist"
        raise MissingError(what, where=f"data set {spec.name}: {spec.root}", hint=hint)
    return spec.root


def _visible(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise MissingError(f"cannot be listed: {error.strerror}", where=str(folder)) from error


def _pictures(folder: Path) -> list[str]:
    return sorted(
        path.name
        for path in _visible(folder)
        if path.suffix.lower() in SUFFIXES and not path.is_dir()
    )


def _imagenet() -> Mapping[str, int]:
    """wnid to class number, from the list inside timm; timm itself (and torch) is not imported."""
    timm = importlib.util.find_spec("timm")
    for place in (timm and timm.submodule_search_locations) or ():
        file = Path(place) / "data" / "_info" / "imagenet_synsets.txt"
        if file.is_file():
            wnids = file.read_text(encoding="utf-8").split()
            return {wnid: number for number, wnid in enumerate(wnids)}
    raise MissingError("timm's list of the ImageNet synsets is not there", hint="reinstall timm")


def _refuse_other_folders(root: Path, folders: list[str], numbers: Mapping[str, int]) -> None:
    others = [name for name in folders if name not in numbers]
    if others:
        shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise MissingError(
            f"{len(others)} of {len(folders)} folders are not ImageNet classes: {shown}",
            where=str(root),
            hint="remove or rename them (n01440764, ...), or set the data set's option "
            "classes: sorted",
        )
