"""What the readers share: their options, the root, and the listing of folders."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.api import ConfigError, DatasetSpec, MissingError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


def choice(spec: DatasetSpec, name: str, allowed: Iterable[str], default: Any) -> Any:
    """The option ``name``, one of ``allowed``; ``default`` where it is not given."""
    if name not in spec.options:
        return default
    value = spec.options[name]
    if value not in tuple(allowed):
        raise ConfigError(
            f"is {value!r}",
            where=f"data set {spec.name}: options.{name}",
            hint=f"choose from {', '.join(allowed)}",
        )
    return value


def refuse_unknown_options(spec: DatasetSpec, known: Sequence[str]) -> None:
    for name in spec.options:
        if name not in known:
            raise ConfigError(
                f"unknown option {name!r}",
                where=f"data set {spec.name}: options",
                hint=f"the reader takes {', '.join(known)}",
            )


def root_of(spec: DatasetSpec) -> Path:
    """The data set's folder, which is there."""
    hint = f"say where it is: --data {spec.name}=PATH"
    if spec.root is None:
        raise MissingError("has no folder", where=f"data set {spec.name}", hint=hint)
    if not spec.root.is_dir():
        what = "is not a folder" if spec.root.exists() else "does not exist"
        raise MissingError(what, where=f"data set {spec.name}: {spec.root}", hint=hint)
    return spec.root


def visible(folder: Path) -> list[Path]:
    """What lies in ``folder``, sorted by name, hidden things left out."""
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise MissingError(f"cannot be listed: {error.strerror}", where=str(folder)) from error
    return sorted(found, key=lambda path: path.name)


def pictures(folder: Path) -> list[str]:
    """The names of the picture files in ``folder``, sorted."""
    return [
        path.name
        for path in visible(folder)
        if path.suffix.lower() in SUFFIXES and not path.is_dir()
    ]


def class_numbers() -> Mapping[str, int]:
    """wnid to class number, from the list inside timm; timm itself (and torch) is not imported."""
    timm = importlib.util.find_spec("timm")
    for place in (timm and timm.submodule_search_locations) or ():
        file = Path(place) / "data" / "_info" / "imagenet_synsets.txt"
        if file.is_file():
            wnids = file.read_text(encoding="utf-8").split()
            return {wnid: number for number, wnid in enumerate(wnids)}
    raise MissingError("timm's list of the ImageNet synsets is not there", hint="reinstall timm")


def refuse_other_folders(
    root: Path, folders: Sequence[str], numbers: Mapping[str, int], *, hint: str
) -> None:
    """Every one of ``folders`` is called by a wnid of ``numbers``."""
    others = [name for name in folders if name not in numbers]
    if others:
        shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise MissingError(
            f"{len(others)} of {len(folders)} folders are not ImageNet classes: {shown}",
            where=str(root),
            hint=hint,
        )
