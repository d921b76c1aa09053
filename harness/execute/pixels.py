"""Pixels in a quarter of their bytes: 8-bit ones as they were before the reader divided them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.api import DataError
from harness.api.classifier import convertible

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Packed = NDArray[Any]
    """Pixels as caches have them and as they travel: see `packed`."""


LUMA = np.array([19595, 38470, 7471])
"""ITU-R 601's weights of red, green and blue, in 65,536ths."""


def packed(pixels: NDArray[np.float32]) -> Packed:
    """``pixels`` as uint8 where they are 8-bit ones, else as they are."""
    small = np.rint(pixels * np.float32(255)).astype(np.uint8)
    return small if np.array_equal(_floats(small), pixels) else pixels


def unpacked(image: Packed) -> NDArray[np.float32]:
    """The very pixels that were packed; the caller's own."""
    return _floats(image) if image.dtype == np.uint8 else image.copy()


def _floats(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """8-bit pixels in [0, 1], as every reader makes them."""
    return np.divide(image, np.float32(255), dtype=np.float32)


def in_channels(image: Packed, channels: int) -> Packed:
    """A packed image (any, height, width) with ``channels``: grey is repeated, RGB made grey.

    Grey is ITU-R 601's luma, as Pillow computes it: an 8-bit image's is rounded to 8 bits.

    Raises:
        DataError: it has other channels, of which nobody knows what they mean.
    """
    found = len(image)
    if found == channels:
        return image
    if not convertible(found, channels):
        raise DataError(
            f"has {found} channel{'s' * (found != 1)}, the model takes {channels}",
            hint="only grey and RGB images become one another: take data with as many channels, or"
            " correct the model's preprocessing.channels",
        )
    if found == 1:
        return np.repeat(image, 3, axis=0)
    if image.dtype == np.uint8:
        total = np.tensordot(LUMA, image.astype(np.int64), axes=1)
        return ((total + 0x8000) >> 16).astype(np.uint8)[None]
    luma = np.tensordot(LUMA.astype(np.float64), image.astype(np.float64), axes=1) / 65536
    return luma.astype(np.float32)[None]  # the same as each of three equal channels
