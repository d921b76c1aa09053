"""The dataset reader ``digits``: the test half of the embedded digits."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from harness.api import ConfigError, Cut, DataError, Dataset, DatasetSpec, Sample
from harness_digits import data

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class DigitsDataset(Dataset):
    """The 10 digits; ids are positions in scikit-learn's order. No option, no folder.

    A digest is that of the float32 pixels, little-endian, (3, 32, 32).
    """

    classes = data.CLASSES
    class_names = tuple(map(str, range(data.CLASSES)))
    image_size = (data.SIDE * data.SCALE, data.SIDE * data.SCALE)

    def __init__(self, spec: DatasetSpec) -> None:
        super().__init__(spec)
        if spec.options:
            raise ConfigError(
                f"unknown option {next(iter(spec.options))!r}",
                where=f"dataset {spec.name}: options",
                hint="the reader takes none",
            )
        self._images, labels = data.digits()
        self._rows = {data.image_id(int(row)): int(row) for row in data.split("test")}
        self._samples = tuple(Sample(name, int(labels[row])) for name, row in self._rows.items())

    def samples(self) -> Sequence[Sample]:
        return self._samples

    def digest(self, sample: Sample) -> str:
        return hashlib.sha256(self._image(sample).astype("<f4").tobytes()).hexdigest()

    def read(
        self, sample: Sample, size: tuple[int, int], cut: Cut | None = None
    ) -> NDArray[np.float32]:
        image = self._image(sample)
        if tuple(size) != image.shape[1:]:
            raise DataError(
                f"comes in 32 x 32, not {size[0]} x {size[1]}",
                where=f"dataset {self.spec.name}: image {sample.id}",
                hint="set the model's preprocessing.size: [32, 32]",
            )
        return image.copy()

    def _image(self, sample: Sample) -> NDArray[np.float32]:
        if sample.id not in self._rows:
            raise DataError(
                "is not in the test half", where=f"dataset {self.spec.name}: image {sample.id}"
            )
        image: NDArray[np.float32] = self._images[self._rows[sample.id]]
        return image
