"""Tiny ReLU networks: the regions in which they are affine are enumerated, nearest first.

Within a region every unit is on or off, the logits are affine, and the nearest adversarial image is
that of a polytope. A region need not be looked at where it, or what is known of it so far, is
further away than an adversarial image that is at hand; nor does a unit need to be tried both ways
whose sign cannot change within that distance. Units that are open are bounded by their chords,
which leaves out most regions unseen. So the search takes a few programs for most images, and ends
with a proof. (Jordan et al. 2019, GeoCert, arXiv 1903.08778, walk the same regions.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor, nn

from harness.api import Norm
from harness.testing.truth import halfspace
from harness.testing.truth.halfspace import NOWHERE, Nearest, Vector
from harness.testing.truth.network import Arrays, Network, linear_layer, nearest_of, single, wins
from harness.testing.truth.polytope import Matrix, Polytope

Layer = tuple[Matrix, Vector]
SAMPLES = 64
"""Images at random in the box, in whose directions an adversarial image is looked for first."""
LEAST_GAIN = 1e-9
"""A region must promise so much, in pixel space, or it is left out."""


class _Module(nn.Module):
    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(linear_layer(*layer) for layer in layers)

    def forward(self, images: Tensor) -> Tensor:
        values = images.flatten(1)
        for layer in self.layers[:-1]:
            values = layer(values).relu()
        logits: Tensor = self.layers[-1](values)
        return logits


class ReLU(Network):
    """A network of a few dozen ReLU units in any number of layers.

    Args:
        layers: of each, from the pixels to the logits, the weights (out, in) and the bias (out,).
        shape: (channels, height, width).
    """

    kind = "relu"

    def __init__(
        self, layers: Sequence[tuple[ArrayLike, ArrayLike]], shape: Sequence[int] = (3, 4, 4)
    ) -> None:
        self.layers = [(single(weights), single(bias)) for weights, bias in layers]
        self.shape = (shape[0], shape[1], shape[2])
        self.classes = len(self.layers[-1][1])

    @property
    def module(self) -> nn.Module:
        return _Module(self.layers)

    @property
    def arrays(self) -> Arrays:
        found = {}
        for number, (weights, bias) in enumerate(self.layers):
            found[f"weights.{number}"], found[f"bias.{number}"] = weights, bias
        return found

    @classmethod
    def of(cls, arrays: Arrays, shape: tuple[int, int, int]) -> ReLU:
        count = len(arrays) // 2
        layers = [(arrays[f"weights.{each}"], arrays[f"bias.{each}"]) for each in range(count)]
        return cls(layers, shape)

    def logits(self, pixels: Matrix) -> Matrix:
        values = pixels
        for weights, bias in self.layers[:-1]:
            values = np.maximum(values @ weights.T + bias, 0)
        weights, bias = self.layers[-1]
        found: Matrix = values @ weights.T + bias
        return found

    def region(self, z: Vector) -> tuple[Polytope, Matrix, Vector]:
        """The polytope around ``z`` in which the network is affine, and its weights and bias."""
        weights, bias = np.eye(self.pixels), np.zeros(self.pixels)
        around = Polytope(np.empty((0, self.pixels)), np.empty(0))
        for matrix, shift in self.layers[:-1]:
            weights, bias = matrix @ weights, matrix @ bias + shift
            on = weights @ z + bias > 0
            sign = np.where(on, 1.0, -1.0)
            around = around.further(sign[:, None] * weights, -sign * bias)
            weights, bias = weights * on[:, None], bias * on
        matrix, shift = self.layers[-1]
        return around, matrix @ weights, matrix @ bias + shift

    def _nearest(self, x: Vector, label: int, norm: Norm, target: int | None) -> Nearest:
        search = _Search(self, x, label, norm, target)
        search.begin()
        nothing = Polytope(np.empty((0, self.pixels)), np.empty(0))
        search.layer(0, np.eye(self.pixels), np.zeros(self.pixels), nothing)
        return search.best


@dataclass(frozen=True, slots=True)
class Units:
    """The units of a layer whose input is affine in the pixels.

    Attributes:
        weights, bias: of what goes into each, in the pixels: (units, pixels), (units,).
        on: of each 1 where it is on, 0 where it is off, NaN where it is open.
    """

    weights: Matrix
    bias: Vector
    on: Vector

    def positive(self, unit: int, x: Vector) -> bool:
        return bool(self.weights[unit] @ x + self.bias[unit] > 0)

    def side(self, unit: int, on: bool) -> tuple[Vector, float]:
        """The half-space in which it is on, or off."""
        sign = 1.0 if on else -1.0
        return sign * self.weights[unit], -sign * float(self.bias[unit])

    def settled(self, unit: int, on: bool) -> Units:
        """The same with one more that is not open."""
        those = self.on.copy()
        those[unit] = on
        return replace(self, on=those)

    def range(self, x: Vector, norm: Norm, radius: float) -> Ranges:
        """How large and how small each one's input can be within ``radius`` of ``x``."""
        radius = min(radius, len(x))  # nothing in the box is further
        value = self.weights @ x + self.bias
        up, down = self.weights * (1 - x), self.weights * -x
        rise, fall = np.maximum(up, down), -np.minimum(up, down)  # by pixel, to the box's ends
        if norm is Norm.LINF:
            most = radius * np.abs(self.weights)
            rise, fall = np.minimum(rise, most).sum(1), np.minimum(fall, most).sum(1)
        elif norm is Norm.L0:
            first = len(x) - int(min(radius, len(x)))
            rise, fall = (np.sort(each, 1)[:, first:].sum(1) for each in (rise, fall))
        else:
            most = radius * np.linalg.norm(self.weights, 2 if norm is Norm.L2 else np.inf, axis=1)
            rise, fall = np.minimum(rise.sum(1), most), np.minimum(fall.sum(1), most)
        return Ranges(self.on, value - fall, value + rise)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Between what the inputs of a layer's units are, ``low`` and ``high``, and which are on."""

    on: Vector
    low: Vector
    high: Vector

    def after(self, matrix: Matrix, shift: Vector) -> Ranges:
        """Those of the next layer."""
        most = np.maximum(self.high, 0) * (self.on != 0)
        least = np.maximum(self.low, 0) * (self.on != 0)
        rising, falling = np.maximum(matrix, 0), np.minimum(matrix, 0)
        low = rising @ least + falling @ most + shift
        high = rising @ most + falling @ least + shift
        return Ranges(np.where(low >= 0, 1.0, np.where(high <= 0, 0.0, np.nan)), low, high)

    def under(self, a: Matrix) -> tuple[Matrix, Vector]:
        """Factors of the units' inputs, and a shift, whose sum is at least ``a`` @ outputs.

        An open unit's output lies under the chord from ``low`` to ``high``, and above its input and
        above 0 (Ehlers 2017; CROWN takes the same lines).
        """
        open_ = np.isnan(self.on)
        chord = np.where(open_, self.high / np.where(open_, self.high - self.low, 1.0), self.on)
        under = np.where(open_, self.high > -self.low, self.on)
        factors = np.where(a > 0, chord, under) * a
        shift: Vector = np.maximum(a, 0) @ np.where(open_, chord * -self.low, 0.0)
        return factors, shift


class _Search:
    """Of one image: the best adversarial one so far, until no region can have a better one."""

    def __init__(
        self, network: ReLU, x: Vector, label: int, norm: Norm, target: int | None
    ) -> None:
        self.network, self.x, self.norm = network, x, norm
        self.label, self.target = label, target
        self.best = NOWHERE

    def begin(self) -> None:
        """Descend from region to region; what it ends with is near, and so cuts the search."""
        for point in self._starts():
            while True:
                around, weights, bias = self.network.region(point)
                before = self.best
                self._affine(around, weights, bias)
                if self.best is before or self.best.point is None:
                    break
                point = self.best.point

    def _starts(self) -> list[Vector]:
        """The image, and where rays out of it first become adversarial: the shortest few."""
        rays = np.random.default_rng(0).random((SAMPLES, len(self.x))) - self.x
        shares = np.linspace(0, 1, 33)[1:]
        points = self.x + shares[:, None, None] * rays
        logits = self.network.logits(points.reshape(-1, len(self.x)))
        wrong = self._adversarial(logits).reshape(len(shares), SAMPLES)
        first = np.where(wrong.any(0), wrong.argmax(0), len(shares))
        near = np.argsort(first, kind="stable")[:3]
        return [self.x, *(points[first[ray], ray] for ray in near if first[ray] < len(shares))]

    def _adversarial(self, logits: Matrix) -> np.ndarray:
        if self.target is None:
            return np.asarray(logits.argmax(1) != self.label)
        return np.asarray(logits.argmax(1) == self.target)

    def layer(self, number: int, weights: Matrix, bias: Vector, within: Polytope) -> None:
        """All regions of the units from layer ``number`` on.

        Args:
            weights, bias: the layer's input, which is affine ``within``.
        """
        matrix, shift = self.network.layers[number]
        weights, bias = matrix @ weights, matrix @ bias + shift
        if number == len(self.network.layers) - 1:
            self._affine(within, weights, bias)
        else:
            self._units(number, Units(weights, bias, np.full(len(bias), np.nan)), within)

    def _units(self, number: int, units: Units, within: Polytope) -> None:
        """Both ways of each unit that is open, where both are near enough."""
        crossings = self._settle(units)
        if not crossings:
            on = units.on
            self.layer(number + 1, units.weights * on[:, None], units.bias * on, within)
            return
        if not self._promising(number, units, within):
            return
        unit = min(crossings, key=lambda each: crossings[each])
        positive = units.positive(unit, self.x)
        for way in (positive, not positive):
            self._units(number, units.settled(unit, way), within.further(*units.side(unit, way)))

    def _settle(self, units: Units) -> dict[int, float]:
        """Settle the open units whose sign no better image changes; the others' distances to that.

        A sign that changes only beyond the best image so far is the one that it has here.
        """
        crossings = {}
        for unit in np.flatnonzero(np.isnan(units.on)).tolist():
            positive = units.positive(unit, self.x)
            row, least = units.side(unit, not positive)
            distance = halfspace.nearest(self.x, row, least, self.norm).distance
            if distance < self._limit:
                crossings[unit] = distance
            else:
                units.on[unit] = positive
        return crossings

    def _promising(self, number: int, units: Units, within: Polytope) -> bool:
        """Whether a better image is possible where each open unit is bounded by its chords.

        That is a polytope again: it holds every adversarial image that is near enough.
        """
        own = units.range(self.x, self.norm, self.best.distance)
        later = []
        values = own
        for matrix, shift in self.network.layers[number + 1 : -1]:
            values = values.after(matrix, shift)
            later.append((values, matrix, shift))
        for piece in wins(*self.network.layers[-1], self.label, self.target):
            a, b = piece.a, piece.b
            for values, matrix, shift in reversed(later):
                factors, more = values.under(a)
                a, b = factors @ matrix, b - more - factors @ shift
            factors, more = own.under(a)
            row = factors @ units.weights, b - more - factors @ units.bias
            if self._near(within.further(*row)):
                return True
        return False

    @property
    def _limit(self) -> float:
        """Regions from here on are not better; l0 counts."""
        return self.best.distance - (0.5 if self.norm is Norm.L0 else LEAST_GAIN)

    def _near(self, inside: Polytope) -> bool:
        """Whether a polytope may hold something better."""
        return inside.may_reach(self.x, self.norm, self._limit)

    def _affine(self, within: Polytope, weights: Matrix, bias: Vector) -> None:
        pieces = [
            within.further(each.a, each.b) for each in wins(weights, bias, self.label, self.target)
        ]
        self.best = nearest_of(pieces, self.x, self.norm, self.best)
