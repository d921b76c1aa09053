"""The images of a run: decoded ahead of the device, and cached while memory allows."""

from __future__ import annotations

import itertools
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.api import Cut, DataError, Dataset, ImageKey, PluginError
from harness.cores import usable_cores
from harness.execute.pixels import in_channels, packed, unpacked
from harness.execute.readers import Hangs, Readers
from harness.overdue import MARK
from harness.planning import PlannedImage

CACHE_BYTES = 512 * 1024**2
AHEAD_BYTES = 128 * 1024**2
AHEAD_MOST = 256
THREADS = min(8, usable_cores())
SECONDS_BETWEEN_LINES = 5.0
"""While images are hashed, which takes long where there are many."""

if TYPE_CHECKING:
    from harness.execute.pixels import Packed

Shape = tuple[int, int, int]
"""(channels, height, width) of the images that a model takes."""

_Key = tuple[str, tuple[int, int], Cut | None]
"""Of an image as the dataset has it, whatever its channels."""


def look_ahead(shape: Shape) -> int:
    """How many images of ``shape`` a stream holds ready at most.

    Enough for a batch: 222 at 224 x 224. In float32 they take `AHEAD_BYTES` at most, unless the
    threads' own images take more.
    """
    return max(THREADS, min(AHEAD_MOST, AHEAD_BYTES // (4 * math.prod(shape))))


class Images:
    """Reads a dataset's images as float32 tensors of a model's shape in [0, 1], on the host.

    Every tensor that it returns is the caller's own. For one thread; those of its streams touch
    nothing but the dataset.

    Attributes:
        keys: by image id, of the images given to `identify`, in their order.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._patience: float | None = None
        self._where = f"dataset {dataset.spec.name}"
        self._samples = {sample.id: sample for sample in dataset.samples()}
        self.keys: dict[str, ImageKey] = {}
        self._cache: OrderedDict[_Key, Packed] = OrderedDict()
        self._bytes = 0

    def entrust(self, plugin: str, patience: float | None) -> None:
        """``plugin`` reads them, and may take so many seconds for each; None: any number."""
        self._patience = patience
        self._where = f"dataset {self._dataset.spec.name}, plugin {plugin}"

    def digest(self, image_id: str) -> str:
        """The content hash of the image's source, or "" where it cannot be read."""
        try:
            return self._dataset.digest(self._samples[image_id])
        except DataError:
            return ""

    def digests(self, ids: Sequence[str]) -> Generator[str, None, None]:
        """The `digest` of each of ``ids``, in their order; a few threads read the sources."""
        readers = Readers(self.digest, THREADS, self._patience, name="hash")
        try:
            for image, digest in [(image, readers.submit(image)) for image in ids]:
                try:
                    yield readers.result(digest)
                except Hangs:
                    said = f"digest() made {MARK} {self._patience:g} s at image {image}"
                    raise PluginError(said, where=self._where) from None
        finally:
            readers.close()

    def identify(
        self, images: Sequence[PlannedImage], say: Callable[[str], None] | None = None
    ) -> None:
        """Read the sources of ``images`` for their `keys`; ``say`` is called with the progress."""
        said = time.monotonic()
        with closing(self.digests([image.id for image in images])) as digests:
            for count, (image, digest) in enumerate(zip(images, digests, strict=True), 1):
                self.keys[image.id] = ImageKey(image.id, digest, image.label)
                if say and time.monotonic() - said > SECONDS_BETWEEN_LINES:
                    said = time.monotonic()
                    say(f"hashed {count:,} of {len(images):,} images")

    def read(self, image_id: str, shape: Shape, cut: Cut | None = None) -> Tensor:
        """The image in ``shape``, cut as the model asks if the reader follows it.

        Raises:
            DataError: it cannot be read, the reader broke its contract, or its channels are not
                those of a model of this shape and cannot become them.
        """
        key = (image_id, shape[1:], cut)
        found = self._cached(key)
        return self._made(
            key, self._keep(key, self._decoded(key)) if found is None else found, shape[0]
        )

    def stream(
        self, ids: Sequence[str], shape: Shape, cut: Cut | None = None
    ) -> Generator[Tensor | DataError, None, None]:
        """What `read` returns or raises for each of ``ids``, in their order.

        A few threads decode up to `look_ahead` images while the caller is busy with the one it got.
        They end with the generator: close it when leaving early.
        """
        left, most = iter(ids), look_ahead(shape)
        ahead: deque[tuple[_Key, Packed | Future[Packed]]] = deque()
        reading: dict[_Key, Future[Packed]] = {}  # so that no image is read twice at a time
        readers = Readers(self._decoded, THREADS, self._patience, name="decode")
        try:
            while True:
                for image_id in itertools.islice(left, most - len(ahead)):
                    key = (image_id, shape[1:], cut)
                    found: Packed | Future[Packed] | None = self._cached(key)
                    if found is None:
                        found = reading.get(key) or readers.submit(key)
                        reading[key] = found
                    ahead.append((key, found))
                if not ahead:
                    return
                key, found = ahead.popleft()
                reading.pop(key, None)
                yield self._arrived(key, found, shape[0], readers)
        finally:
            readers.close()

    def _arrived(
        self, key: _Key, image: Packed | Future[Packed], channels: int, readers: Readers[Packed]
    ) -> Tensor | DataError:
        try:
            found = self._keep(key, readers.result(image)) if isinstance(image, Future) else image
            return self._made(key, found, channels)
        except DataError as error:
            return error
        except Hangs:
            said = f"read() made {MARK} {self._patience:g} s"
            return DataError(said, where=f"{self._where}, image {key[0]}")

    def _made(self, key: _Key, image: Packed, channels: int) -> Tensor:
        """A tensor of the caller's own."""
        try:
            return torch.from_numpy(unpacked(in_channels(image, channels)))
        except DataError as error:
            where = f"dataset {self._dataset.spec.name}, image {key[0]}"
            raise DataError(error.what, where=where, hint=error.hint) from None

    def _cached(self, key: _Key) -> Packed | None:
        if key in self._cache:
            self._cache.move_to_end(key)
        return self._cache.get(key)

    def _keep(self, key: _Key, image: Packed) -> Packed:
        """The image, cached if there is room or if images of other sizes can be dropped for it.

        Those of its own size stay: a run reads them in the same order again and again, and
        whichever was dropped would be the next one needed.
        """
        while key not in self._cache:
            if self._bytes + image.nbytes <= CACHE_BYTES:
                self._cache[key] = image
                self._bytes += image.nbytes
                break
            oldest = next(iter(self._cache), None)
            if oldest is None or oldest[1:] == key[1:]:
                break
            self._bytes -= self._cache.pop(oldest).nbytes
        return image

    def _decoded(self, key: _Key) -> Packed:
        image_id, size, cut = key
        return packed(self._dataset.read(self._samples[image_id], size, cut))
