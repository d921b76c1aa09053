"""What a surface's grid shows without the model: its centre, and where the decision changes."""

from __future__ import annotations

import numpy as np


def line_numbers(a: np.ndarray, loss: np.ndarray, margin: np.ndarray) -> dict[str, float]:
    """``points``, ``loss`` and ``margin`` at the centre, and ``crossing`` where there is one.

    Args:
        a: (points,), ascending, 0 in the middle.
        loss, margin: (points * points,), row by row of b.
    """
    middle = len(a) // 2
    centre = middle * len(a) + middle
    numbers = {
        "points": float(len(a)),
        "loss": float(loss[centre]),
        "margin": float(margin[centre]),
    }
    along = slice(centre, (middle + 1) * len(a))
    found = first_crossing(a[middle:], margin[along])
    return numbers if found is None else {**numbers, "crossing": found}


def first_crossing(a: np.ndarray, margin: np.ndarray) -> float | None:
    """The smallest a > a[0] where ``margin`` falls to 0, linearly between points; None: nowhere."""
    places, values = a.astype(np.float64), margin.astype(np.float64)
    below = np.flatnonzero(values <= 0)
    if not len(below) or below[0] == 0:
        return None
    after = int(below[0])
    share = values[after - 1] / (values[after - 1] - values[after])
    return float(places[after - 1] + share * (places[after] - places[after - 1]))
