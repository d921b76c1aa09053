"""The Nelder-Mead simplex method on many small problems in lock-step.

Each problem takes the steps that `scipy.optimize.fmin` takes with its defaults (Nelder & Mead 1965;
reflection 1, expansion 2, contraction 1/2, shrinkage 1/2; 200 evaluations a dimension), so that it
ends where scipy does; but an evaluation is one array operation for all problems.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

TOLERANCE = 1e-4
"""Of points and of values, absolute."""
EVALUATIONS = 200
"""At most, for each dimension."""

Objective = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(points (m, dimensions), problems (m,)) to values (m,)."""


def minima(objective: Objective, starts: np.ndarray) -> np.ndarray:
    """Where the search from each of ``starts`` (problems, dimensions) ends."""
    search = _Search(objective, starts)
    while search.step():
        pass
    return search.found


class _Search:
    """The problems that have not ended: their simplices, best point first, and their values."""

    def __init__(self, objective: Objective, starts: np.ndarray) -> None:
        count, size = starts.shape
        self.found = starts.copy()
        self._objective, self._most = objective, EVALUATIONS * size
        self._problems = np.arange(count)
        self._simplex = np.repeat(starts[:, None, :], size + 1, axis=1)
        for axis in range(size):
            moved = self._simplex[:, axis + 1, axis]
            self._simplex[:, axis + 1, axis] = np.where(moved != 0, 1.05 * moved, 0.00025)
        self._values = np.stack(
            [objective(self._simplex[:, vertex], self._problems) for vertex in range(size + 1)], 1
        )
        self._calls = np.full(count, size + 1)
        self._iterations = 1
        self._sort()

    def step(self) -> bool:
        """One iteration of each problem; whether any is left."""
        self._retire()
        if not len(self._problems):
            return False
        values, worst = self._values, self._simplex[:, -1].copy()
        centre = self._simplex[:, :-1].sum(1) / worst.shape[1]
        everyone = np.ones(len(worst), dtype=bool)
        reflected = 2 * centre - worst
        there = self._evaluate(reflected, everyone)
        best = there < values[:, 0]
        good = ~best & (there < values[:, -2])
        outside = ~best & ~good & (there < values[:, -1])
        inside = ~best & ~good & ~outside
        second = np.where(
            best[:, None],
            3 * centre - 2 * worst,
            np.where(outside[:, None], 1.5 * centre - 0.5 * worst, 0.5 * centre + 0.5 * worst),
        )
        beyond = self._evaluate(second, ~good)
        take_second = (
            (best & (beyond < there))
            | (outside & (beyond <= there))
            | (inside & (beyond < values[:, -1]))
        )
        # An evaluation that was refused leaves its problem as it is, and ends it.
        refused = np.isnan(there) & (self._calls >= self._most)
        late = ~good & np.isnan(beyond) & (self._calls >= self._most)
        take_first = (good | (best & ~take_second)) & ~refused & ~late
        self._replace(take_second & ~late, second, beyond)
        self._replace(take_first, reflected, there)
        self._shrink((outside | inside) & ~take_second & ~refused & ~late)
        self._iterations += 1
        self._sort()
        return True

    def _evaluate(self, points: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The values of ``points`` where ``rows`` is true and calls are left; elsewhere NaN."""
        values = np.full(len(points), np.nan)
        rows = rows & (self._calls < self._most)
        if rows.any():
            values[rows] = self._objective(points[rows], self._problems[rows])
            self._calls[rows] += 1
        return values

    def _replace(self, rows: np.ndarray, points: np.ndarray, values: np.ndarray) -> None:
        """The worst vertex gives way."""
        self._simplex[rows, -1] = points[rows]
        self._values[rows, -1] = values[rows]

    def _shrink(self, rows: np.ndarray) -> None:
        """All vertices move half way to the best one."""
        if not rows.any():
            return
        for vertex in range(1, self._simplex.shape[1]):
            rows = rows & (self._calls < self._most)
            first, moving = self._simplex[rows, 0], self._simplex[rows, vertex]
            points = self._simplex[:, vertex].copy()
            points[rows] = first + 0.5 * (moving - first)
            values = self._evaluate(points, rows)
            self._simplex[rows, vertex] = points[rows]
            self._values[rows, vertex] = values[rows]

    def _retire(self) -> None:
        """Problems that have converged, or have no calls left, are done."""
        with np.errstate(invalid="ignore"):
            near = np.abs(self._simplex[:, 1:] - self._simplex[:, :1]).max((1, 2)) <= TOLERANCE
            level = np.abs(self._values[:, 1:] - self._values[:, :1]).max(1) <= TOLERANCE
        over = (near & level) | (self._calls >= self._most) | (self._iterations >= self._most)
        if over.any():
            self.found[self._problems[over]] = self._simplex[over, 0]
            stays = ~over
            self._problems, self._calls = self._problems[stays], self._calls[stays]
            self._simplex, self._values = self._simplex[stays], self._values[stays]

    def _sort(self) -> None:
        order = np.argsort(self._values, axis=1, kind="stable")
        self._values = np.take_along_axis(self._values, order, axis=1)
        self._simplex = np.take_along_axis(self._simplex, order[:, :, None], axis=1)
