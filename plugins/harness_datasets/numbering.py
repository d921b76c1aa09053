"""Class folders and their numbers: which folder is which class, and whether that is all of them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.api import ConfigError, DatasetSpec, MissingError
from harness_datasets import tree

ORDERS = ("imagenet", "sorted", "natural", "imagefolder")


def numbered(spec: DatasetSpec, root: Path, folders: Sequence[str]) -> Mapping[str, int]:
    """The number of every class by its folder's name, by the option ``classes``.

    Raises:
        ConfigError: the option is wrong. MissingError: the folders are not the classes, or their
        order can be read in two ways.
    """
    if isinstance(spec.options.get("classes"), list):
        return _listed(spec, root, folders)
    wnids = tree.class_numbers()
    usual = "imagenet" if not folders or any(name in wnids for name in folders) else "sorted"
    order = tree.choice(spec, "classes", ORDERS, usual)
    if order == "imagenet":
        hint = "remove or rename them (n01440764, ...), or set the dataset's option classes: sorted"
        tree.refuse_other_folders(root, folders, wnids, "ImageNet classes", hint=hint)
        return wnids
    return _in_order(spec, root, folders, order)


def _listed(spec: DatasetSpec, root: Path, folders: Sequence[str]) -> Mapping[str, int]:
    """Numbered by their places in the list; a class may be without a folder."""
    names = spec.options["classes"]
    where = f"dataset {spec.name}: options.classes"
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise ConfigError(
            "is no list of different names", where=where, hint="put numbers in quotes"
        )
    if spec.classes not in (None, len(names)):
        raise ConfigError(
            f"lists {len(names):,} classes, the dataset has {spec.classes:,}",
            where=where,
            hint="list every class once, or correct the dataset's classes",
        )
    numbers = {name: number for number, name in enumerate(names)}
    hint = "remove or rename them, or list them"
    tree.refuse_other_folders(root, folders, numbers, "listed in options.classes", hint=hint)
    without = [name for name in names if name not in folders]
    if without:
        warnings.warn(
            f"dataset {spec.name}: {root}: {len(without)} of {len(names)} classes have no folder: "
            f"{tree.some(without)}",
            stacklevel=2,
        )
    return numbers


def _in_order(
    spec: DatasetSpec, root: Path, folders: Sequence[str], order: str
) -> Mapping[str, int]:
    """Numbered in the order of their names: all classes must be there."""
    where = f"dataset {spec.name}: {root}"
    as_text, as_numbers = sorted(folders), sorted(folders, key=_natural)
    if order == "sorted" and as_text != as_numbers:
        here = next(place for place, name in enumerate(as_text) if name != as_numbers[place])
        raise MissingError(
            f"classes: sorted can be read in two ways: class {here} is {as_text[here]} as text, "
            f"{as_numbers[here]} by number",
            where=where,
            hint="say classes: natural (0, 1, 2, 10), classes: imagefolder (0, 1, 10, 2, as "
            "torchvision does), or list the names",
        )
    names = as_numbers if order == "natural" else as_text
    if spec.classes not in (None, len(names)):
        shown = tree.some([f"{number} {name}" for number, name in enumerate(names)])
        raise MissingError(
            f"holds {len(names):,} class folders, the dataset has {spec.classes:,} classes: "
            f"{shown}",
            where=where,
            hint="remove what is not a class, make the folders that are missing, or list the names "
            "(options: {classes: [...]})",
        )
    return {name: number for number, name in enumerate(names)}


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Runs of digits count as numbers; names that differ in leading zeros alone, as text."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    runs = [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts]
    return [*runs, (2, 0, name)]
