"""Files on the disk as labelled images: class folders, a flat folder, the survey's names."""

from __future__ import annotations

from pathlib import Path

from harness.api import ConfigError, DatasetSpec, MissingError
from harness_datasets import truth
from harness_datasets.names import CLASSES, IMAGES, image_id, number_of, official_id, survey_name
from harness_datasets.passed import Passed
from harness_datasets.source import FileSource, Photo
from harness_datasets.tree import (
    class_numbers,
    images,
    is_image,
    refuse_other_folders,
    visible,
)


def detect(root: Path, spec: DatasetSpec) -> str:
    """The layout of ``root``, by the names of what lies in it.

    Raises:
        MissingError: there is none. ConfigError: there are several.
    """
    wnids = class_numbers()
    found = set()
    for path in visible(root):
        suffix = path.suffix.lower()
        if path.name in wnids:
            found.add("folders")
        elif survey_name(path.name):
            found.add("survey")
        elif is_image(path.name) and number_of(path.name):
            found.add("flat")
        elif suffix == ".parquet":
            found.add("parquet")
        elif suffix == ".tar" and not path.name.startswith("ILSVRC2012_"):  # the official archives
            found.add("webdataset")
    where = f"dataset {spec.name}: {root}"
    if not found:
        raise MissingError(
            "holds ImageNet's validation images in no layout that the reader knows",
            where=where,
            hint="it takes <wnid>/<file>, ILSVRC2012_val_00000001.JPEG, 139.00029510.jpg, "
            "*.parquet or *.tar; a flat folder of other names needs the option layout: flat",
        )
    if len(found) > 1:
        raise ConfigError(
            f"holds images in several layouts: {', '.join(sorted(found))}",
            where=where,
            hint="set the dataset's option layout to one of them",
        )
    return found.pop()


def class_folders(root: Path, spec: DatasetSpec) -> list[Photo]:
    """``<wnid>/<file>``."""
    numbers = class_numbers()
    folders = [path for path in visible(root) if path.is_dir()]
    names = [folder.name for folder in folders]
    hint = "remove or rename them (n01440764, ...)"
    refuse_other_folders(root, names, numbers, "ImageNet classes", hint=hint)
    passed = Passed()
    photos = [
        Photo(
            image_id(name, f"{folder.name}/{name}"), numbers[folder.name], FileSource(folder / name)
        )
        for folder in folders
        for name in images(folder, passed)
    ]
    passed.say(f"dataset {spec.name}: {root}")
    return photos


def flat(root: Path, spec: DatasetSpec) -> list[Photo]:
    """All images in one folder, labelled by a file (see `truth`)."""
    path = truth.find(root, spec)
    labels = truth.labels(path)
    passed = Passed({path.name, *truth.NAMES})
    found = {name: image_id(name, name) for name in images(root, passed)}
    unlabelled = [name for name, key in found.items() if key not in labels]
    if unlabelled:
        raise MissingError(
            f"{len(unlabelled)} of {len(found)} images have no label, the first {unlabelled[0]}",
            where=f"{path}:{len(labels)}",
            hint="give the whole file of labels, or remove the images",
        )
    passed.say(f"dataset {spec.name}: {root}")
    return [Photo(key, labels[key], FileSource(root / name)) for name, key in found.items()]


def survey(root: Path, spec: DatasetSpec) -> list[Photo]:
    """``<label 1 to 1000>.<8-digit number>.jpg``."""
    photos, passed = [], Passed(truth.NAMES)
    for name in images(root, passed):
        label, number = survey_name(name) or (0, 0)
        if not (1 <= label <= CLASSES and 1 <= number <= IMAGES):
            raise MissingError(
                f"{name} is not called <label 1 to {CLASSES}>.<number 1 to {IMAGES}>.jpg",
                where=f"dataset {spec.name}: {root}",
                hint="rename or remove it: 139.00029510.jpg is one",
            )
        photos.append(Photo(official_id(number), label - 1, FileSource(root / name)))
    passed.say(f"dataset {spec.name}: {root}")
    return photos
