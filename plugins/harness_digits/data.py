"""The embedded dataset: scikit-learn's 1,797 handwritten digits as 32 x 32 RGB images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 8
SCALE = 4
CLASSES = 10
_SPLITS = {"train": 0, "test": 1}


def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return all images, float32 (1797, 3, 32, 32) in [0, 1], and their labels, int64 (1797,).

    An image is the 8 x 8 original / 16, enlarged four times (bilinear, half-pixel centres,
    clamped edges), the same in all three channels. The originals are integers of 0..16 and every
    weight is a multiple of 1/8, so every intermediate number is a multiple of 1/1024 in [0, 1]:
    float32 holds them exactly, and the result is the same on any platform.
    """
    bunch = _bunch()
    small = bunch.images.astype(np.float32) / np.float32(16)
    weights = _upsampling(SIDE, SCALE)
    large = weights @ small @ weights.T
    images = np.repeat(large[:, None], 3, axis=1)
    return images, bunch.target.astype(np.int64)


def split(name: str) -> NDArray[np.int64]:
    """Return the ascending indices of one half of the dataset, "train" or "test".

    Stratified and fixed: within each class, in load_digits order, the images at even positions
    (0, 2, ...) are for training and those at odd positions for testing.
    """
    if name not in _SPLITS:
        raise ValueError(f"unknown split {name!r}: choose from {', '.join(_SPLITS)}")
    labels = _bunch().target
    halves = [np.flatnonzero(labels == label)[_SPLITS[name] :: 2] for label in range(CLASSES)]
    return np.sort(np.concatenate(halves)).astype(np.int64)


def image_id(index: int) -> str:
    """Return the id of the image at `index` in load_digits order, for example "0042"."""
    return f"{index:04d}"


def _bunch() -> Any:
    from sklearn.datasets import load_digits

    return load_digits()


def _upsampling(size: int, scale: int) -> NDArray[np.float32]:
    """Return the (size * scale, size) matrix of linear interpolation along one axis."""
    position = (np.arange(size * scale) + 0.5) / scale - 0.5
    low = np.floor(position).astype(int)
    fraction = position - low
    rows = np.arange(size * scale)
    matrix = np.zeros((size * scale, size), np.float32)
    np.add.at(matrix, (rows, np.clip(low, 0, size - 1)), 1 - fraction)
    np.add.at(matrix, (rows, np.clip(low + 1, 0, size - 1)), fraction)
    return matrix
