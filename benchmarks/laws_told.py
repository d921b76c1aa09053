"""A reader of the synthetic leaderboards of laws.py who is told what nobody knows of real ones.

He is told the five families, the smooth step's too, that scatter is in proportion, and its size.
Each family is fitted by maximum likelihood; he must choose, and takes the smallest BIC.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from harness_laws.fits import LAWS, LawName

Floats = np.ndarray

PARAMETERS: dict[LawName, int] = {
    "constant": 1, "log-linear": 2, "power": 2, "piecewise": 4, "isotonic": 4,
}  # fmt: skip
STEEP = (4.0, 12.0)
"""Of the smooth step, where its fit starts."""


def told(errors: Floats, robustness: Floats, scatter: float) -> LawName:
    """The law that he takes."""
    logs = np.log(errors)
    penalty = np.log(len(errors))

    def criterion(law: LawName) -> float:
        def off(at: Floats) -> Floats:
            curve = np.maximum(_curve(law, at, logs), 1e-6)
            return (np.log(robustness / curve) + scatter**2 / 2) / scatter

        found = [least_squares(off, start, max_nfev=60) for start in _starts(law, logs, robustness)]
        return min(2 * float(each.cost) for each in found) + PARAMETERS[law] * penalty

    return min(LAWS, key=criterion)


def _curve(law: LawName, at: Floats, logs: Floats) -> Floats:
    if law == "constant":
        return np.full_like(logs, at[0])
    if law == "log-linear":
        return at[0] + at[1] * logs
    if law == "power":
        return np.exp(at[0] + at[1] * logs)
    if law == "piecewise":
        return at[0] + at[1] * logs + at[2] * np.maximum(logs - at[3], 0)
    return at[0] + at[1] / (1 + np.exp(-np.clip(at[2] * (logs - at[3]), -50, 50)))


def _starts(law: LawName, logs: Floats, robustness: Floats) -> list[list[float]]:
    places = np.quantile(logs, [0.25, 0.5, 0.75])
    if law == "constant":
        return [[robustness.mean()]]
    if law in ("log-linear", "power"):
        values = np.log(robustness) if law == "power" else robustness
        return [np.polyfit(logs, values, 1)[::-1].tolist()]
    if law == "piecewise":
        return [[*_bent(logs, robustness, place), place] for place in places]
    low, high = np.quantile(robustness, [0.1, 0.9])
    return [[low, high - low, steep, place] for place in places for steep in STEEP]


def _bent(logs: Floats, robustness: Floats, place: float) -> list[float]:
    """The line with a bend there, by least squares in proportion."""
    design = np.stack([np.ones_like(logs), logs, np.maximum(logs - place, 0)], axis=1)
    found = np.linalg.lstsq(design / robustness[:, None], np.ones_like(logs), rcond=None)[0]
    return [float(each) for each in found]
