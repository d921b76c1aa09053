"""The dataset reader ``imagenet``: ILSVRC2012's validation images in any of their layouts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.api import (
    ConfigError,
    Cut,
    DataError,
    Dataset,
    DatasetSpec,
    ImageList,
    MissingError,
    Sample,
)
from harness_datasets import decoding, layouts, lists, tree
from harness_datasets.names import CLASSES, IMAGES, number_of
from harness_datasets.parquet import parquet
from harness_datasets.source import Photo, Source
from harness_datasets.webdataset import webdataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

LAYOUTS: Mapping[str, Callable[[Path, DatasetSpec], list[Photo]]] = MappingProxyType(
    {
        "folders": layouts.class_folders,
        "flat": layouts.flat,
        "survey": layouts.survey,
        "parquet": parquet,
        "webdataset": webdataset,
    }
)


class ImagenetDataset(Dataset):
    """Validation images, or some of them, sorted by id; a list's images in the list's order.

    An image's id is its official file's stem, ``ILSVRC2012_val_00029510``, whatever the layout; the
    relative path where a layout has no number. A digest is that of the JPEG's bytes.

    Options:
        layout: one of `LAYOUTS`; found out by itself unless it is given.
        ground_truth: the labels of a flat folder, relative to the root.
        list: one of `lists.LISTS`; all images unless it is given.
        resize: a preset of `decoding.CUTS`; ``paper`` by default.
    """

    classes = CLASSES

    def __init__(self, spec: DatasetSpec) -> None:
        super().__init__(spec)
        tree.refuse_unknown_options(spec, ("layout", "ground_truth", "list", "resize"))
        self._preset = decoding.CUTS[tree.choice(spec, "resize", decoding.CUTS, "paper")]
        chosen = tree.choice(spec, "list", lists.LISTS, None)
        layout = tree.choice(spec, "layout", LAYOUTS, None)
        root = tree.root_of(spec)
        layout = layout or layouts.detect(root, spec)
        if layout != "flat" and "ground_truth" in spec.options:
            raise ConfigError(
                f"means nothing to layout {layout}",
                where=f"dataset {spec.name}: options.ground_truth",
                hint="leave it out",
            )
        photos = _by_id(LAYOUTS[layout](root, spec))
        where = f"dataset {spec.name}: {root}"
        if not photos:
            raise MissingError("holds no images", where=where, hint=f"layout is {layout}")
        if chosen is not None:
            photos = _selected(photos, chosen, where)
        self.class_names, self.class_ids = tree.class_names(), tuple(tree.class_numbers())
        self._sources = {photo.id: photo.source for photo in photos.values()}
        self._samples = tuple(Sample(photo.id, photo.label) for photo in photos.values())

    def samples(self) -> Sequence[Sample]:
        return self._samples

    def lists(self) -> Mapping[str, ImageList]:
        labels = {sample.id: sample.label for sample in self._samples}
        return {name: found for name in lists.LISTS if (found := _listed(labels, name))}

    def digest(self, sample: Sample) -> str:
        return self._source(sample).digest()

    def read(
        self, sample: Sample, size: tuple[int, int], cut: Cut | None = None
    ) -> NDArray[np.float32]:
        return decoding.read(self._source(sample), self._preset, size, cut)

    def _source(self, sample: Sample) -> Source:
        if sample.id not in self._sources:
            raise DataError("is not there", where=f"dataset {self.spec.name}: image {sample.id}")
        return self._sources[sample.id]


def _by_id(photos: list[Photo]) -> dict[str, Photo]:
    """The images sorted by id, each listed once."""
    found: dict[str, Photo] = {}
    for photo in sorted(photos, key=lambda photo: photo.id):
        if photo.id in found:
            raise MissingError(
                f"image {photo.id} is there twice: {found[photo.id].source.where} too",
                where=photo.source.where,
                hint="remove one of them",
            )
        found[photo.id] = photo
    return found


def _selected(photos: Mapping[str, Photo], name: str, where: str) -> dict[str, Photo]:
    """The images of list ``name``, which are there and have the list's labels."""
    listed = lists.load(name)
    missing = [row.id for row in listed if row.id not in photos]
    if missing:
        raise MissingError(
            f"{len(missing)} of the {len(listed):,} images of list {name} are missing, "
            f"the first {missing[0]}",
            where=where,
            hint="add them, or leave out the option list",
        )
    for row in listed:
        label = photos[row.id].label
        if not row.agrees_with(label):
            raise MissingError(
                f"image {row.id} has label {label} here and {row.label} in list {name}",
                where=photos[row.id].source.where,
                hint="labels are 0-based places among the sorted wnids: check where they come from",
            )
    if name == lists.SURVEY:
        _check_drawing(photos, where)
    return {row.id: photos[row.id] for row in listed}


def _listed(labels: Mapping[str, int], name: str) -> ImageList | None:
    """List ``name`` with its targets, if all its images are here under the list's labels."""
    rows = lists.load(name)
    if not all(row.id in labels and row.agrees_with(labels[row.id]) for row in rows):
        return None
    targets = {row.id: row.target for row in rows if row.target is not None}
    return ImageList(tuple(row.id for row in rows), targets)


def _check_drawing(photos: Mapping[str, Photo], where: str) -> None:
    """Where all images are there, the list can be drawn anew; if it differs, labels are wrong."""
    labels = {number_of(photo.id): photo.label for photo in photos.values()}
    numbered = {number: label for number, label in labels.items() if number is not None}
    if len(numbered) == IMAGES and lists.drawn(numbered) != lists.names():
        warnings.warn(
            f"{where}: list {lists.SURVEY} drawn from these labels is another than the study's: "
            "some labels of images outside it must be wrong",
            stacklevel=2,
        )
