"""What the readers share: their options, the root, and the listing of folders."""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

from harness.api import ConfigError, DatasetSpec, MissingError
from harness_datasets.decoding import SUFFIXES
from harness_datasets.passed import Passed


def choice(spec: DatasetSpec, name: str, allowed: Iterable[str], default: Any) -> Any:
    """The option ``name``, one of ``allowed``; ``default`` where it is not given."""
    if name not in spec.options:
        return default
    value = spec.options[name]
    if value not in tuple(allowed):
        raise ConfigError(
            f"is {value!r}",
            where=f"dataset {spec.name}: options.{name}",
            hint=f"choose from {', '.join(allowed)}",
        )
    return value


def refuse_unknown_options(spec: DatasetSpec, known: Sequence[str]) -> None:
    for name in spec.options:
        if name not in known:
            raise ConfigError(
                f"unknown option {name!r}",
                where=f"dataset {spec.name}: options",
                hint=f"the reader takes {', '.join(known)}",
            )


def root_of(spec: DatasetSpec) -> Path:
    """The dataset's folder, which is there."""
    hint = f"say where it is: --data {spec.name}=PATH"
    if spec.root is None:
        raise MissingError("has no folder", where=f"dataset {spec.name}", hint=hint)
    if not spec.root.is_dir():
        what = "is not a folder" if spec.root.exists() else "does not exist"
        raise MissingError(what, where=f"dataset {spec.name}: {spec.root}", hint=hint)
    return spec.root


def file_of(spec: DatasetSpec) -> Path:
    """The dataset's file, which is there."""
    hint = f"say where it is: --data {spec.name}=FILE"
    if spec.root is None:
        raise MissingError("has no file", where=f"dataset {spec.name}", hint=hint)
    if not spec.root.is_file():  # a pipe would be waited for
        what = "is not a file" if spec.root.exists() else "does not exist"
        raise MissingError(what, where=f"dataset {spec.name}: {spec.root}", hint=hint)
    return spec.root


def visible(folder: Path) -> list[Path]:
    """What lies in ``folder``, sorted by name, hidden things left out."""
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise MissingError(f"cannot be listed: {error.strerror}", where=str(folder)) from error
    return sorted(found, key=lambda path: path.name)


def images(folder: Path, passed: Passed) -> list[str]:
    """The names of the image files in ``folder``, sorted; what else is visible, to ``passed``.

    A link that leads nowhere is an image that cannot be read.
    """
    names = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in passed.expected:
                    continue
                kind = _kind(entry)
                if kind is not None:
                    passed.add(kind)
                elif is_image(entry.name):
                    names.append(entry.name)
                else:
                    passed.add_file(entry.name)
    except OSError as error:
        raise MissingError(f"cannot be listed: {error.strerror}", where=str(folder)) from error
    return sorted(names)


def _kind(entry: os.DirEntry[str]) -> str | None:
    """What ``entry`` is if it is not a file: reading a pipe called photo.jpg would wait forever."""
    if entry.is_file():
        return None
    if entry.is_dir():
        return "folders"
    try:
        return None if stat.S_ISREG(entry.stat().st_mode) else "pipes, sockets or devices"
    except OSError:  # a link that leads nowhere, a file that has just gone
        return None


def is_image(name: str) -> bool:
    """Whether the file is an image's by its name."""
    return PurePath(name).suffix.lower() in SUFFIXES


def some(names: Sequence[str]) -> str:
    """The first of ``names``, for messages."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


@cache
def class_numbers() -> Mapping[str, int]:
    """wnid to class number, from the list inside timm; timm itself (and torch) is not imported."""
    timm = importlib.util.find_spec("timm")
    for place in (timm and timm.submodule_search_locations) or ():
        file = Path(place) / "data" / "_info" / "imagenet_synsets.txt"
        if file.is_file():
            wnids = file.read_text(encoding="utf-8").split()
            return MappingProxyType({wnid: number for number, wnid in enumerate(wnids)})
    raise MissingError("timm's list of the ImageNet synsets is not there", hint="reinstall timm")


@cache
def class_names() -> tuple[str, ...]:
    """What the 1,000 classes are called, by the first words of timm's list of lemmas."""
    numbers = class_numbers()
    names = {}
    timm = importlib.util.find_spec("timm")
    for place in (timm and timm.submodule_search_locations) or ():
        file = Path(place) / "data" / "_info" / "imagenet_synset_to_lemma.txt"
        for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
            wnid, _, lemmas = line.partition("\t")
            if wnid in numbers:
                names[numbers[wnid]] = lemmas.partition(",")[0].strip()
    return tuple(names[number] for number in range(len(numbers))) if len(names) == 1000 else ()


def refuse_other_folders(
    root: Path, folders: Sequence[str], numbers: Mapping[str, int], what: str, *, hint: str
) -> None:
    """Every one of ``folders`` is a class of ``numbers``, which are ``what``."""
    others = [name for name in folders if name not in numbers]
    if others:
        raise MissingError(
            f"{len(others)} of {len(folders)} folders are not {what}: {some(others)}",
            where=str(root),
            hint=hint,
        )
