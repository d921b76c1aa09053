"""The pictures of a run, read once per input size and kept while memory allows."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor

from harness.api import DataError, Dataset, Sample

CACHE_BYTES = 512 * 1024**2


class Images:
    """Reads a data set's images as float32 tensors (3, height, width) in [0, 1], on the host."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._samples = {sample.id: sample for sample in dataset.samples()}
        self._cache: OrderedDict[tuple[str, tuple[int, int]], Tensor] = OrderedDict()
        self._bytes = 0

    def digest(self, image_id: str) -> str:
        """The content hash of the image's source, or "" where it cannot be read."""
        try:
            return self._dataset.digest(self._samples[image_id])
        except DataError:
            return ""

    def read(self, image_id: str, size: tuple[int, int]) -> Tensor:
        """The image at ``size`` (height, width).

        Raises:
            DataError: it cannot be read, or the reader broke its contract.
        """
        key = (image_id, size)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        image = self._checked(self._samples[image_id], size)
        self._cache[key] = image
        self._bytes += image.nbytes
        while self._bytes > CACHE_BYTES:
            self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return image

    def _checked(self, sample: Sample, size: tuple[int, int]) -> Tensor:
        where = f"data set {self._dataset.spec.name}, image {sample.id}"
        try:
            pixels = self._dataset.read(sample, size)
        except DataError:
            raise
        except Exception as error:
            raise DataError(
                f"the reader raised {type(error).__name__}: {error}", where=where
            ) from error
        if pixels.shape != (3, *size) or pixels.dtype != np.float32:
            raise DataError(f"the reader returned {pixels.dtype}{pixels.shape}", where=where)
        if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
            raise DataError("the reader returned values outside [0, 1]", where=where)
        return torch.from_numpy(pixels)
