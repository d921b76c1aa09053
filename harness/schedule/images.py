"""The pictures of a run: decoded ahead of the device, and kept while memory allows."""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from harness.api import Cut, DataError, Dataset
from harness.cores import usable_cores

CACHE_BYTES = 512 * 1024**2
AHEAD_BYTES = 128 * 1024**2
AHEAD_MOST = 256
THREADS = min(8, usable_cores())

_Key = tuple[str, tuple[int, int], Cut | None]


def look_ahead(size: tuple[int, int]) -> int:
    """How many pictures of ``size`` (height, width) a stream holds ready at most.

    Enough for a batch: 222 at 224 x 224. In float32 they take `AHEAD_BYTES` at most, unless the
    threads' own pictures take more.
    """
    return max(THREADS, min(AHEAD_MOST, AHEAD_BYTES // (3 * size[0] * size[1] * 4)))


class Images:
    """Reads a data set's images as float32 tensors (3, height, width) in [0, 1], on the host.

    For one thread; those of its streams touch nothing but the data set.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._samples = {sample.id: sample for sample in dataset.samples()}
        self._cache: OrderedDict[_Key, Tensor] = OrderedDict()
        self._bytes = 0

    def digest(self, image_id: str) -> str:
        """The content hash of the image's source, or "" where it cannot be read."""
        try:
            return self._dataset.digest(self._samples[image_id])
        except DataError:
            return ""

    def read(self, image_id: str, size: tuple[int, int], cut: Cut | None = None) -> Tensor:
        """The image at ``size`` (height, width), cut as the model asks if the reader follows it.

        Raises:
            DataError: it cannot be read, or the reader broke its contract.
        """
        key = (image_id, size, cut)
        found = self._cached(key)
        return self._keep(key, self._checked(key)) if found is None else found

    def stream(
        self, ids: Sequence[str], size: tuple[int, int], cut: Cut | None = None
    ) -> Generator[Tensor | DataError, None, None]:
        """What `read` returns or raises for each of ``ids``, in their order.

        A few threads decode up to `look_ahead` images while the caller is busy with the one it got.
        They end with the generator: close it when leaving early.
        """
        left, most = iter(ids), look_ahead(size)
        ahead: deque[tuple[_Key, Tensor | Future[Tensor]]] = deque()
        reading: dict[_Key, Future[Tensor]] = {}  # so that no image is read twice at a time
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="decode")
        try:
            while True:
                for image_id in itertools.islice(left, most - len(ahead)):
                    key = (image_id, size, cut)
                    found: Tensor | Future[Tensor] | None = self._cached(key)
                    if found is None:
                        found = reading.get(key) or pool.submit(self._checked, key)
                        reading[key] = found
                    ahead.append((key, found))
                if not ahead:
                    return
                key, found = ahead.popleft()
                reading.pop(key, None)
                yield self._arrived(key, found)
        finally:
            pool.shutdown(cancel_futures=True)

    def _arrived(self, key: _Key, image: Tensor | Future[Tensor]) -> Tensor | DataError:
        if isinstance(image, Tensor):
            return image
        try:
            return self._keep(key, image.result())
        except DataError as error:
            return error

    def _cached(self, key: _Key) -> Tensor | None:
        if key in self._cache:
            self._cache.move_to_end(key)
        return self._cache.get(key)

    def _keep(self, key: _Key, image: Tensor) -> Tensor:
        if key not in self._cache:
            self._cache[key] = image
            self._bytes += image.nbytes
            while self._bytes > CACHE_BYTES:
                self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return image

    def _checked(self, key: _Key) -> Tensor:
        image_id, size, cut = key
        where = f"data set {self._dataset.spec.name}, image {image_id}"
        try:
            pixels = self._dataset.read(self._samples[image_id], size, cut)
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
