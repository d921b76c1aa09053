"""What the readers of whole arrays share: images in memory, told apart, checked and resized."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from harness.api import ConfigError, Cut, DataError, Dataset, DatasetSpec, MissingError, Sample
from harness_datasets import decoding, tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CHANNELS = (1, 3, 4)
"""Numbers of channels by which an axis is known to be that of the channels."""

LAYOUTS = ("nchw", "nhwc")
COMMON = ("resize", "layout")
"""The options that every reader of arrays takes."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a reader found.

    Attributes:
        images: uint8 of 0 to 255, or floats of 0 to 1; (n, h, w) and with channels before or last.
        labels: (n,) whole numbers from 0, or names of classes.
        names: of the classes, in their order; empty: unknown.
        ids: (n,) text; None: row numbers.
        where: the file of the images, for messages.
    """

    images: NDArray[Any]
    labels: NDArray[Any]
    names: tuple[str, ...]
    where: str
    ids: Sequence[str] | None = None


class ArrayDataset(Dataset):
    """Images of one size in memory; their ids are row numbers unless the data have others.

    Images that a model wants at another size are cropped and resized. A digest is that of a row's
    values as the file has them.

    Options (see `COMMON`):
        resize: a preset of `decoding.CUTS`; ``paper`` by default, which leaves images of the right
            size as they are.
        layout: ``nchw`` or ``nhwc``, where shapes can be read in two ways.
    """

    def __init__(self, spec: DatasetSpec, content: Content) -> None:
        super().__init__(spec)
        self._resize = tree.choice(spec, "resize", decoding.CUTS, "paper")
        self._where = content.where
        self._rows = content.images
        first = channels_first(content.images, spec, content.where)
        self._images = first
        _check_values(first, content.where)
        labels, self.class_names = _numbered(content, len(first))
        self.classes = spec.classes or len(self.class_names) or max(2, int(labels.max()) + 1)
        self.image_size = (first.shape[2], first.shape[3])
        wrong = np.flatnonzero((labels < 0) | (labels >= self.classes))
        if wrong.size:
            raise MissingError(
                f"row {wrong[0]}: label {labels[wrong[0]]} is none of 0 to {self.classes - 1}",
                where=content.where,
                hint="number the classes from 0",
            )
        ids = content.ids or [f"{row:05d}" for row in range(len(first))]
        if len(ids) != len(first):
            raise MissingError(f"{len(ids):,} ids for {len(first):,} images", where=content.where)
        self._row_of = {name: row for row, name in enumerate(ids)}
        self._samples = tuple(
            Sample(name, int(label)) for name, label in zip(ids, labels, strict=True)
        )

    def samples(self) -> Sequence[Sample]:
        return self._samples

    def digest(self, sample: Sample) -> str:
        row = np.ascontiguousarray(self._rows[self._place(sample)])
        return hashlib.sha256(row.astype(row.dtype.newbyteorder("<"), copy=False)).hexdigest()

    def read(
        self, sample: Sample, size: tuple[int, int], cut: Cut | None = None
    ) -> NDArray[np.float32]:
        image = self._images[self._place(sample)]
        if self._resize != "paper" or image.shape[1:] != tuple(size):
            image = self._resized(image, size, cut)
        if image.dtype == np.uint8:
            return np.divide(image, np.float32(255), dtype=np.float32)
        return np.clip(image, 0, 1).astype(np.float32)

    def _resized(self, image: NDArray[Any], size: tuple[int, int], cut: Cut | None) -> NDArray[Any]:
        """Channel by channel, as Pillow resizes colours too; floats stay floats."""
        preset = decoding.CUTS[self._resize]
        parts = image if image.dtype == np.uint8 else image.astype(np.float32)
        return np.stack([np.asarray(preset(Image.fromarray(part), size, cut)) for part in parts])

    def _place(self, sample: Sample) -> int:
        if sample.id not in self._row_of:
            raise DataError("is not there", where=f"dataset {self.spec.name}: image {sample.id}")
        return self._row_of[sample.id]


def channels_first(images: NDArray[Any], spec: DatasetSpec, where: str) -> NDArray[Any]:
    """``images`` as (n, channels, height, width), a view.

    Raises:
        MissingError: they have no such axes. ConfigError: which axis the channels are on can be
        read in two ways, or in none.
    """
    layout = tree.choice(spec, "layout", LAYOUTS, None)
    shape = images.shape
    if images.ndim == 3 and layout is None:
        return images[:, None]
    if images.ndim != 4:
        raise MissingError(
            f"images are of shape {shape}",
            where=where,
            hint="save them as (n, height, width), (n, height, width, channels) or (n, channels,"
            " height, width)",
        )
    if layout is None:
        second, last = shape[1] in CHANNELS, shape[3] in CHANNELS
        if second == last:
            why = "either the second axis or the last may be" if last else "no axis looks like"
            raise ConfigError(
                f"images are of shape {shape}: {why} the channels (1, 3 or 4)",
                where=where,
                hint="say the dataset's option layout: nchw, or nhwc",
            )
        layout = "nchw" if second else "nhwc"
    return images if layout == "nchw" else images.transpose(0, 3, 1, 2)


def _check_values(images: NDArray[Any], where: str) -> None:
    """Images are 8-bit, or floats of 0 to 1 (what 255 might mean in floats, nobody says)."""
    if not len(images):
        raise MissingError("holds no images", where=where)
    if images.dtype == np.uint8:
        return
    if images.dtype.kind != "f":
        raise MissingError(
            f"images are {images.dtype}", where=where, hint="save uint8, or floats within [0, 1]"
        )
    for row, image in enumerate(images):
        low, high = float(image.min()), float(image.max())
        if not (low >= 0 and high <= 1):
            raise MissingError(
                f"row {row}: values from {low:g} to {high:g}, outside [0, 1]",
                where=where,
                hint="save 8-bit values as uint8, and images without normalisation: that belongs"
                " into the model (preprocessing: mean, std)",
            )


def _numbered(content: Content, count: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The labels as numbers, and the names of the classes."""
    labels, names = np.asarray(content.labels), content.names
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (count,):
        several = labels.ndim == 2 and len(labels) == count
        raise MissingError(
            f"labels are of shape {labels.shape} for {count:,} images",
            where=content.where,
            hint="save class numbers: labels.argmax(1)" if several else "save one for each image",
        )
    if labels.dtype.kind == "U":
        names = names or tuple(sorted(set(labels.tolist())))
        numbers = {name: number for number, name in enumerate(names)}
        for row, label in enumerate(labels.tolist()):
            if label not in numbers:
                raise MissingError(
                    f"row {row}: label {label!r} is none of the classes", where=content.where
                )
        return np.array([numbers[label] for label in labels.tolist()], np.int64), names
    if labels.dtype.kind not in "iu":
        raise MissingError(
            f"labels are {labels.dtype}", where=content.where, hint="save whole numbers from 0"
        )
    return labels.astype(np.int64), names
