"""The dataset reader ``numbered-photos``: photographs with their class in the file name."""

from __future__ import annotations

import re
from pathlib import Path

from harness.api import DatasetSpec, MissingError
from harness_datasets import tree
from harness_datasets.photos import PhotoDataset
from harness_datasets.source import FileSource, Photo
from harness_samples import packages

_NAME = re.compile(r"(?P<id>imagenet_[0-9]+)_(?P<label>[0-9]+)\.jpe?g", re.I)


class NumberedPhotos(PhotoDataset):
    """Files called ``imagenet_<number>_<class 0 to 999>.jpg``, in the order of their names.

    By default those in foolbox's package (foolbox 3.3.4 has 20), which is not imported; ``root`` is
    another folder of such files. An image's id is its name without the class.

    Options:
        resize: a preset of `harness_datasets.decoding.CUTS`; ``paper`` by default.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        tree.refuse_unknown_options(spec, ("resize",))
        folder = _folder(spec)
        found = [
            Photo(match["id"], int(match["label"]), FileSource(path))
            for path in tree.visible(folder)
            if (match := _NAME.fullmatch(path.name))
        ]
        if not found:
            raise MissingError(
                "holds no images called imagenet_<number>_<class>.jpg",
                where=f"dataset {spec.name}: {folder}",
                hint=packages.INSTALL,
            )
        super().__init__(spec, found, tree.class_names())


def _folder(spec: DatasetSpec) -> Path:
    if spec.root is not None:
        return tree.root_of(spec)
    folder = packages.photos()
    if folder is None:
        raise MissingError(
            "the package foolbox, which its images come in, is not installed",
            where=f"dataset {spec.name}",
            hint=packages.INSTALL,
        )
    return folder
