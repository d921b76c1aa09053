"""Pixels in a quarter of their bytes: 8-bit ones as they were before the reader divided them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Packed = NDArray[Any]
    """Pixels as caches have them and as they travel: see `packed`."""


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
