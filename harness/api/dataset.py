"""Datasets: labelled images in pixel space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

    Raises (constructor): MissingError, if the data are not there.
    """

    classes: int

    def __init__(self, spec: DatasetSpec) -> None:
        self.spec = spec

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """All samples, in an order of the dataset's own."""

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
        """The image as float32 (3, height, width), RGB in [0, 1], at ``size`` = (height, width).

        ``cut`` is what the model asks for, if it does; a reader may have a way of its own. Called
        from several threads at once.

        Raises:
            DataError: the image cannot be read, or does not come in this size.
        """
