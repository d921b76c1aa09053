"""The nearest point of a polytope within the box [0, 1], by convex programs with certificates.

linf and l1 are linear programs (HiGHS). l2 is the least-distance problem that Lawson & Hanson 1974,
chapter 23, reduce to non-negative least squares: an active-set method that ends after finitely many
steps. l0 is a mixed-integer program. What the first three find is believed only where the dual
objective says the same, so that a distance is proved from both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.api import Norm
from harness.testing.truth import halfspace
from harness.testing.truth.halfspace import NOWHERE, Nearest, Vector

Matrix = NDArray[np.float64]
GAP = 1e-7
"""Between the primal and the dual objective, at most; distances are of the order of 1."""
_EXACT = {"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9}


@dataclass(frozen=True)
class Polytope:
    """The points z with ``a`` @ z >= ``b``; rows are half-spaces, none: the whole space.

    Attributes:
        a: float64 (half-spaces, pixels).
        b: float64 (half-spaces,).
    """

    a: Matrix
    b: Vector

    def further(self, a: Matrix, b: Vector | float) -> Polytope:
        """With more half-spaces."""
        return Polytope(np.vstack((self.a, np.atleast_2d(a))), np.append(self.b, b))

    @cached_property
    def scaled(self) -> Polytope:
        """The same with rows of length 1; those of zeros, which hold or not, stay."""
        lengths = np.linalg.norm(self.a, axis=1)
        lengths[lengths == 0] = 1.0
        return Polytope(self.a / lengths[:, None], self.b / lengths)

    def __iter__(self) -> Iterator[tuple[Vector, float]]:
        return zip(self.a, self.b.tolist(), strict=True)

    def at_least(self, x: Vector, norm: Norm) -> float:
        """A lower bound of the distance: that of the furthest half-space."""
        each = (halfspace.nearest(x, a, b, norm).distance for a, b in self)
        return max(each, default=0.0)

    def nearest(self, x: Vector, norm: Norm) -> Nearest:
        """Its point in the box that is nearest to ``x``.

        Raises:
            ArithmeticError: a solver failed, or its result is not proved.
        """
        if len(self.a) == 1:
            return halfspace.nearest(x, self.a[0], float(self.b[0]), norm)
        if np.all(self.a @ x >= self.b):
            return Nearest(0.0, x.copy())
        if norm is Norm.L2:
            return _least_squares(self.scaled, x)
        if norm is Norm.L0:
            alone = _alone(self, x)
            return _fewest(self.scaled, x) if alone is None else Nearest(1.0, alone)
        return _linear(self.scaled, x, norm)

    def may_reach(self, x: Vector, norm: Norm, radius: float) -> bool:
        """Whether its nearest point may be nearer than ``radius``: never no where it is.

        Cheaper than `nearest`: in linf a linear program without an objective, in l0 a relaxation.
        """
        if self.at_least(x, norm) >= radius:
            return False
        if norm is Norm.LINF and np.isfinite(radius):
            return _feasible(self.scaled, x, radius)
        if norm is Norm.L0 and radius <= 2:
            return radius > 1 and _alone(self, x) is not None
        if norm is Norm.L0:
            return bool(np.ceil(_linear(self.scaled, x, norm).distance - GAP) < radius)
        return self.nearest(x, norm).distance < radius


def _linear(within: Polytope, x: Vector, norm: Norm) -> Nearest:
    """In l1 min sum(up + down), z = x + up - down; in linf min t with |z - x| <= t.

    For l0, whose relaxation it is, every change counts as its share of what the box allows.
    """
    from scipy.optimize import linprog

    pixels, unit = len(x), np.eye(len(x))
    least = within.b - within.a @ x
    room = np.concatenate((1 - x, x))
    if norm is Norm.LINF:
        back = np.hstack((unit, np.zeros((pixels, 1))))
        cost = np.append(np.zeros(pixels), 1.0)
        rows = np.vstack((-within.a @ back, back, -back))
        rows[len(least) :, -1] = -1
        limits = np.concatenate((-least, np.zeros(2 * pixels)))
        low, high = np.append(-x, 0.0), np.append(1 - x, 1.0)
    else:
        back = np.hstack((unit, -unit))
        cost = 1 / np.maximum(room, 1e-6) if norm is Norm.L0 else np.ones(2 * pixels)
        rows, limits = -within.a @ back, -least
        low, high = np.zeros(2 * pixels), room
    ends = np.stack((low, high), 1)
    found = linprog(cost, A_ub=rows, b_ub=limits, bounds=ends, method="highs", options=_EXACT)
    if found.status == 2:
        return NOWHERE
    if found.status != 0:
        raise ArithmeticError(f"the linear program was not solved: {found.message}")
    dual = found.ineqlin.marginals @ limits
    dual += found.upper.marginals @ high + found.lower.marginals @ low
    return _proved(Nearest(float(found.fun), x + back @ found.x), float(dual))


def _feasible(within: Polytope, x: Vector, radius: float) -> bool:
    """Whether there is a point in the cube of this radius around ``x``."""
    from scipy.optimize import linprog

    found = linprog(
        np.zeros(len(x)),
        A_ub=-within.a,
        b_ub=-within.b,
        bounds=np.stack((np.maximum(0, x - radius), np.minimum(1, x + radius)), 1),
        method="highs",
        options=_EXACT,
    )
    return int(found.status) != 2


def _least_squares(within: Polytope, x: Vector) -> Nearest:
    """min |d| with g d >= h: the residual of the least squares problem of [g h]' u = (0, 1)."""
    from scipy.optimize import nnls

    unit = np.eye(len(x))
    g = np.vstack((within.a, unit, -unit))
    h = np.concatenate((within.b - within.a @ x, -x, x - 1))
    aim = np.append(np.zeros(len(x)), 1.0)
    u, length = nnls(np.vstack((g.T, h)), aim, maxiter=50 * len(h))
    # No step in the box is longer than the root of the pixels, so that a residual is not small.
    if length**2 < 0.5 / (1 + len(x)):
        return NOWHERE
    multipliers = u / length**2
    steps = g.T @ multipliers
    beyond = float((h - g @ steps).max())
    if beyond > GAP:
        raise ArithmeticError(f"the least-distance step misses a half-space by {beyond:.2g}")
    squared = float(steps @ steps)
    dual = float(multipliers @ h) - squared / 2
    distance = float(np.sqrt(squared))
    return _proved(Nearest(distance, x + steps), float(np.sqrt(max(0.0, 2 * dual))))


def _alone(within: Polytope, x: Vector) -> Vector | None:
    """A point that differs in one pixel, whose change every half-space bounds; None: none does."""
    missing = (within.b - within.a @ x)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = missing / within.a
    low = np.where(within.a > 0, changes, -np.inf).max(0)
    high = np.where(within.a < 0, changes, np.inf).min(0)
    low, high = np.maximum(low, -x), np.minimum(high, 1 - x)
    held = ((within.a != 0) | (missing <= 0)).all(0)
    possible = np.flatnonzero(held & (low <= high))
    if not len(possible):
        return None
    pixel = possible[0]
    point = x.copy()
    point[pixel] += np.clip(0, low[pixel], high[pixel])
    return point


def _fewest(within: Polytope, x: Vector) -> Nearest:
    """min sum(changed) with z between 0 and 1 where changed, and x elsewhere."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    pixels = len(x)
    zeros = np.zeros((len(within.a), pixels))
    unit = np.eye(pixels)
    found = milp(
        np.concatenate((np.zeros(pixels), np.ones(pixels))),
        integrality=np.concatenate((np.zeros(pixels), np.ones(pixels))),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(np.hstack((within.a, zeros)), lb=within.b),
            LinearConstraint(np.hstack((unit, -np.diag(1 - x))), ub=x),
            LinearConstraint(np.hstack((unit, np.diag(x))), lb=x),
        ],
        options={"presolve": False},  # which prints to the standard output
    )
    if found.status == 2:
        return NOWHERE
    if found.status != 0:
        raise ArithmeticError(f"the mixed-integer program was not solved: {found.message}")
    return Nearest(float(round(found.fun)), found.x[:pixels])


def _proved(found: Nearest, dual: float) -> Nearest:
    if abs(found.distance - dual) > GAP * max(1.0, found.distance):
        raise ArithmeticError(
            f"the distance {found.distance:.10g} is not proved: the dual problem says {dual:.10g}"
        )
    return found
