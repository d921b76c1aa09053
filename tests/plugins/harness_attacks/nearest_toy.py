"""The nearest point of an affine boundary within the box, in four norms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def nearest(norm: str, slope: Array, margin: float, image: Array) -> float:
    """The smallest norm of d with slope @ d >= margin > 0 and image + d in [0, 1]; inf: none."""
    room = np.where(slope > 0, 1 - image, image)
    size = np.abs(slope)
    if size @ room < margin:
        return float("inf")
    if norm == "l0":
        gains = np.sort(size * room)[::-1]
        return float(np.searchsorted(np.cumsum(gains), margin) + 1)
    if norm == "l1":
        order = np.argsort(-size)
        gained = np.concatenate(([0.0], np.cumsum((size * room)[order])))
        full = int(np.searchsorted(gained, margin)) - 1
        last = (margin - gained[full]) / size[order[full]]
        return float(room[order[:full]].sum() + last)
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        moved = np.minimum(middle * (size if norm == "l2" else 1.0), room)
        low, high = (low, middle) if size @ moved >= margin else (middle, high)
    moved = np.minimum(high * (size if norm == "l2" else 1.0), room)
    return float(np.linalg.norm(moved)) if norm == "l2" else float(moved.max())
