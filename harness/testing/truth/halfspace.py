"""The nearest point of a half-space within the box [0, 1], in closed form.

The half-space is a.z >= b. Of every pixel only the direction in which a.z grows is of use, and only
up to the end of the box: ``room``. In linf all pixels move alike until they meet the box; in l2 in
proportion to |a|; in l1 those with the largest |a| first, each to its end; in l0 those that gain
the most. Each is a problem in one variable whose pieces are sorted, so the answer is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.api import Norm

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Nearest:
    """The smallest distance, and a point that has it; infinite and None where nothing is reached.

    Attributes:
        distance: in the norm asked for, pixel space [0, 1].
        point: float64 (pixels,).
    """

    distance: float
    point: Vector | None


NOWHERE = Nearest(math.inf, None)


def nearest(x: Vector, a: Vector, b: float, norm: Norm) -> Nearest:
    """The point of a.z >= b in the box that is nearest to ``x``, (pixels,) in [0, 1]."""
    missing = b - float(a @ x)
    if missing <= 0:
        return Nearest(0.0, x.copy())
    room = np.where(a > 0, 1 - x, x)
    slope = np.abs(a)
    if float(slope @ room) < missing:
        return NOWHERE
    steps = _STEPS[norm](slope, room, missing)
    if norm is Norm.L0:
        return Nearest(float(np.count_nonzero(steps)), x + np.sign(a) * steps)
    return Nearest(size(steps, norm), x + np.sign(a) * steps)


def size(steps: Vector, norm: Norm) -> float:
    """The norm of ``steps``; in l0 those above 1e-9 count, which is what solvers call zero."""
    if norm is Norm.L0:
        return float(np.count_nonzero(np.abs(steps) > 1e-9))
    if norm is Norm.L1:
        return float(np.abs(steps).sum())
    return float(np.linalg.norm(steps, np.inf if norm is Norm.LINF else 2))


def _level(slope: Vector, room: Vector, missing: float) -> Vector:
    """All move by t, or as far as they can: sum of slope * min(t, room) = missing."""
    order = np.argsort(room)
    full = np.concatenate(([0.0], np.cumsum((slope * room)[order])))
    free = np.concatenate((np.cumsum(slope[order][::-1])[::-1], [0.0]))
    gain = full[:-1] + free[:-1] * room[order]  # where the next one meets the box
    first = min(int(np.searchsorted(gain, missing)), len(room) - 1)
    t = (missing - full[first]) / free[first] if free[first] > 0 else room[order][first]
    moved: Vector = np.minimum(t, room) * (slope > 0)
    return moved


def _in_proportion(slope: Vector, room: Vector, missing: float) -> Vector:
    """Move by t * slope, or as far as they can: sum of slope * min(t * slope, room) = missing."""
    used = slope > 0
    steps = np.zeros_like(slope)
    scaled = _level(slope[used] ** 2, room[used] / slope[used], missing)
    steps[used] = np.minimum(scaled * slope[used], room[used])
    return steps


def _steepest_first(slope: Vector, room: Vector, missing: float) -> Vector:
    """The steepest one to its end, then the next, and the last as far as is needed."""
    return _in_order(np.argsort(-slope, kind="stable"), slope, room, missing)


def _largest_first(slope: Vector, room: Vector, missing: float) -> Vector:
    """Those that gain the most, so that there are as few as can be."""
    return _in_order(np.argsort(-slope * room, kind="stable"), slope, room, missing)


def _in_order(order: NDArray[np.intp], slope: Vector, room: Vector, missing: float) -> Vector:
    gains = np.cumsum((slope * room)[order])
    last = min(int(np.searchsorted(gains, missing)), len(order) - 1)
    steps = np.zeros_like(slope)
    steps[order[:last]] = room[order[:last]]
    before = gains[last - 1] if last else 0.0
    steps[order[last]] = min((missing - before) / slope[order[last]], room[order[last]])
    return steps


_STEPS = {
    Norm.LINF: _level,
    Norm.L2: _in_proportion,
    Norm.L1: _steepest_first,
    Norm.L0: _largest_first,
}
