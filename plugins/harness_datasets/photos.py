"""What the readers of tables share: image files in rows, with labels and names of classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.api import ConfigError, Cut, DataError, Dataset, DatasetSpec, MissingError, Sample
from harness_datasets import decoding, tree
from harness_datasets.source import Photo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness_datasets.source import Source

COMMON = ("resize", "split", "image", "label")
"""The options that every reader of tables takes."""

LABELS = ("label", "labels", "fine_label", "target", "class", "y")
IMAGES = ("image", "img", "images", "jpg", "png")


class PhotoDataset(Dataset):
    """Rows with an image file each; ids are row numbers, and a digest is that of the file's bytes.

    Options (see `COMMON`):
        resize: a preset of `decoding.CUTS`; ``paper`` by default.
        split: which of several.
        image, label: the columns, where it is not clear which they are.
    """

    def __init__(self, spec: DatasetSpec, photos: Sequence[Photo], names: Sequence[str]) -> None:
        super().__init__(spec)
        self._preset = decoding.CUTS[tree.choice(spec, "resize", decoding.CUTS, "paper")]
        self.class_names = tuple(names)
        highest = max((photo.label for photo in photos), default=0)
        self.classes = spec.classes or len(names) or max(2, highest + 1)
        for photo in photos:
            if not 0 <= photo.label < self.classes:
                raise MissingError(
                    f"label {photo.label} is none of 0 to {self.classes - 1}",
                    where=photo.source.where,
                    hint="take a split with labels (-1 is none), or correct the dataset's classes",
                )
        self._sources = {photo.id: photo.source for photo in photos}
        self._samples = tuple(Sample(photo.id, photo.label) for photo in photos)

    def samples(self) -> Sequence[Sample]:
        return self._samples

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


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what.

    Attributes:
        names: of the classes; empty: unknown.
    """

    image: str
    label: str
    names: tuple[str, ...]


def columns(
    spec: DatasetSpec, known: Sequence[str], features: Mapping[str, Any], where: str
) -> Columns:
    """The columns by the options, by Hugging Face's ``features``, or by the usual names.

    Raises:
        ConfigError: that is not clear. MissingError: there are none.
    """
    image = _column(spec, "image", known, _of_type(features, "Image"), IMAGES, where)
    label = _column(spec, "label", known, _of_type(features, "ClassLabel"), LABELS, where)
    names = _feature(features, label).get("names") or ()
    return Columns(image, label, tuple(map(str, names)))


def hugging_face(metadata: Mapping[bytes, bytes] | None) -> Mapping[str, Any]:
    """The features that Hugging Face's library noted in a table's ``metadata``; none for most."""
    try:
        found = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = found.get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}
    return features if isinstance(features, dict) else {}


def label_of(value: object, names: Mapping[str, int], where: str) -> int:
    """``value`` as a class: a number, or one of ``names``.

    Raises:
        MissingError: it is neither.
    """
    if isinstance(value, str) and value in names:
        return names[value]
    if type(value) is not int:
        raise MissingError(
            f"label {value!r} is no class", where=where, hint="save whole numbers from 0"
        )
    return value


def named_classes(values: Sequence[Any], names: tuple[str, ...]) -> tuple[str, ...]:
    """``names``, or where the labels are text and nobody listed them, all of these sorted."""
    if names or not any(isinstance(value, str) for value in values):
        return names
    return tuple(sorted({value for value in values if isinstance(value, str)}))


def _of_type(features: Mapping[str, Any], kind: str) -> list[str]:
    return [name for name in features if _feature(features, name).get("_type") == kind]


def _feature(features: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = features.get(name)
    return found if isinstance(found, dict) else {}


def _column(
    spec: DatasetSpec,
    option: str,
    known: Sequence[str],
    typed: Sequence[str],
    usual: Sequence[str],
    where: str,
) -> str:
    wanted = spec.options.get(option)
    if wanted is not None and wanted not in known:
        raise ConfigError(
            f"no column is called {wanted!r}", where=where, hint=f"choose from {', '.join(known)}"
        )
    if wanted is not None:
        return str(wanted)
    if len(typed) > 1:
        raise ConfigError(
            f"several columns may be the {option}: {', '.join(typed)}",
            where=where,
            hint=f"say the dataset's option {option}",
        )
    for name in (*typed, *usual):
        if name in known:
            return name
    raise MissingError(
        f"has no column of {option}s: {', '.join(known)}",
        where=where,
        hint=f"say which it is with the dataset's option {option}",
    )
