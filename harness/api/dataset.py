"""Datasets: labelled images in pixel space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image: its id within the dataset, and its 0-based class.

    An id is text that can be stored (valid UTF-8 without NUL) and no other image's; a label is a
    whole number from 0 to the dataset's `classes` - 1, of any integer type.
    """

    id: str
    label: int


@dataclass(frozen=True, slots=True)
class Cut:
    """How a model wants its images cropped: data of the model's, for readers that follow it.

    Attributes:
        crop: which part of the resized image's shorter side remains, in (0, 1].
        interpolation: of the resizing.
    """

    crop: float
    interpolation: Literal["bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True, slots=True)
class ImageList:
    """Some of a dataset's images, as a study published them.

    Attributes:
        ids: of the images.
        targets: the 0-based class to reach under goal random, by image id; for every image of
            the list, or empty: the harness draws them.
    """

    ids: tuple[str, ...]
    targets: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A registry entry as a reader sees it.

    Attributes:
        root: the user's ``--data NAME=PATH``, or the registry's.
        classes: how many there are by the registry; None where it gives no number.
    """

    name: str
    root: Path | None
    options: Mapping[str, Any]
    classes: int | None = None


class Dataset(ABC):
    """A fixed set of labelled images. Made from a `DatasetSpec`; cheap until images are read.

    All that it returns is checked where it enters the harness: what is not as documented here is an
    error that names the plugin; a wrong image is an error of that image alone.

    Attributes:
        classes: how many there are, the same number as the registry's; 2 or more.
        class_names: what people call them, in their order; empty where nobody knows.
        class_ids: what a public vocabulary calls them, such as WordNet's ids (``n01440764``).
        image_size: (height, width) of all images before anything is done to them; None: they
            differ, or nobody knows.

    Raises (constructor): MissingError, if the data are not there.
    """

    classes: int
    class_names: Sequence[str] = ()
    class_ids: Sequence[str] = ()
    image_size: tuple[int, int] | None = None

    def __init__(self, spec: DatasetSpec) -> None:
        self.spec = spec

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """All samples, in an order of the dataset's own."""

    def lists(self) -> Mapping[str, ImageList]:
        """Lists of its images by name, of which all are here: a suite's ``list`` is one of them."""
        return {}

    @abstractmethod
    def digest(self, sample: Sample) -> str:
        """SHA-256 (64 lower-case hex digits) of the image's source: file bytes, or raw pixels.

        Called from several threads at once.

        Raises:
            DataError: the source cannot be read.
        """

    @abstractmethod
    def read(
        self, sample: Sample, size: tuple[int, int], cut: Cut | None = None
    ) -> NDArray[np.float32]:
        """The image as float32 (channels, height, width) in [0, 1], at ``size`` = (height, width).

        Three channels are RGB, one is grey: the harness makes the one into the other for models
        that want it. A model takes other numbers of channels from datasets that have as many.
        ``cut`` is what the model asks for, if it does; a reader may have a way of its own. Called
        from several threads at once.

        Raises:
            DataError: the image cannot be read, or does not come in this size.
        """
