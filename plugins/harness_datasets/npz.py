"""The dataset reader ``npz``: images, labels and names of classes in one file of NumPy's."""

from __future__ import annotations

import zipfile
import zlib
from typing import Any

import numpy as np

from harness.api import ConfigError, DatasetSpec, MissingError
from harness_datasets import tree
from harness_datasets.arrays import COMMON, ArrayDataset, Content

SPLITS = ("test", "train", "val")
IMAGES = ("images", "x", "data")
LABELS = ("labels", "y", "label", "targets", "target")
NAMES = ("class_names", "names", "classes", "label_names", "target_names")
IDS = ("ids", "id", "filenames")


class NpzDataset(ArrayDataset):
    """Arrays of ``numpy.savez``: ``images`` and ``labels``, or of a split: ``x_test``, ``y_test``.

    Options, beside those of `ArrayDataset`:
        split: ``test`` (default), ``train`` or ``val``, where the file has several.
        images, labels: the arrays' names, if they are called otherwise.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        tree.refuse_unknown_options(spec, (*COMMON, "split", "images", "labels"))
        split = tree.choice(spec, "split", SPLITS, "test")
        path = tree.file_of(spec)
        try:
            arrays = np.load(path, allow_pickle=False)
            if isinstance(arrays, np.ndarray):
                raise MissingError(
                    "holds one array without a name",
                    where=str(path),
                    hint="save images and labels: numpy.savez(FILE, images=, labels=, names=)",
                )
            with arrays:
                content = _content(arrays, spec, split, str(path))
        except MemoryError as error:
            raise MissingError(
                "does not fit into memory", where=str(path), hint="save images in a folder instead"
            ) from error
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            text = " ".join(str(error).split())
            pickled = "allow_pickle" in text
            raise MissingError(
                "holds Python objects, and reading one can run any code"
                if pickled
                else f"is no readable .npz file: {text or type(error).__name__}",
                where=str(path),
                hint="save arrays of numbers or text: numpy.savez(FILE, images=, labels=, names=)",
            ) from error
        super().__init__(spec, content)


def _content(arrays: Any, spec: DatasetSpec, split: str, where: str) -> Content:
    found = {name.lower(): name for name in arrays.files}
    images = _named(spec, "images", found, _spellings(IMAGES, split), where)
    labels = _named(spec, "labels", found, _spellings(LABELS, split), where)
    names = next((found[name] for name in NAMES if name in found and found[name] != labels), None)
    ids = next((found[name] for name in _spellings(IDS, split) if name in found), None)
    return Content(
        images=arrays[images],
        labels=arrays[labels],
        names=() if names is None else tuple(map(str, arrays[names].tolist())),
        where=f"{where}: {images}",
        ids=None if ids is None else tuple(map(str, arrays[ids].tolist())),
    )


def _spellings(words: tuple[str, ...], split: str) -> list[str]:
    """``test_images``, ``images_test``, ``images``: those of the split go first."""
    return [
        *(f"{split}_{word}" for word in words),
        *(f"{word}_{split}" for word in words),
        *words,
    ]


def _named(
    spec: DatasetSpec, option: str, found: dict[str, str], spellings: list[str], where: str
) -> str:
    """The name of an array of the file: the option's, or the first of the usual ones."""
    if option in spec.options:
        wanted = spec.options[option]
        if wanted not in found.values():
            raise ConfigError(
                f"no array is called {wanted!r}",
                where=where,
                hint=f"choose from {', '.join(found.values())}",
            )
        return str(wanted)
    for name in spellings:
        if name in found:
            return found[name]
    raise MissingError(
        f"holds no array of {option}: {', '.join(found.values()) or 'nothing at all'}",
        where=where,
        hint=f"call it {option}, or say which it is with the dataset's option {option}",
    )
