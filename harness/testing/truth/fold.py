"""Piecewise-linear folds: logits that rise and fall along one direction.

Every logit is a piecewise-linear function of s = u.x, so the classes are intervals of s, and the
nearest image of an interval is the nearest one of the half-space that begins at its nearer end. The
loss has local optima in which a gradient ends, and the nearest boundary may lie the other way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from harness.api import ConfigError, Norm
from harness.testing.truth.halfspace import Nearest, Vector
from harness.testing.truth.network import Arrays, Network, linear_layer, nearest_of, single
from harness.testing.truth.polytope import Matrix, Polytope

Interval = tuple[float, float]


class _Module(nn.Module):
    """s, then a layer of ReLU units whose kinks are the knots: the same function, in one piece."""

    def __init__(self, direction: Vector, knots: Vector, values: Matrix) -> None:
        super().__init__()
        self.along = linear_layer(direction[None], np.zeros(1))
        self.register_buffer("knots", torch.tensor(knots[:-1], dtype=torch.float32))
        slopes = np.diff(values, axis=0) / np.diff(knots)[:, None]
        turns = np.diff(slopes, axis=0, prepend=np.zeros((1, values.shape[1])))
        self.turns = linear_layer(turns.T, values[0])
        self.register_buffer("before", torch.tensor(slopes[0], dtype=torch.float32))

    def forward(self, images: Tensor) -> Tensor:
        s = self.along(images.flatten(1)) - self.knots
        logits: Tensor = self.turns(s.relu()) - (-s[:, :1]).relu() * self.before
        return logits


class Fold(Network):
    """Logits that are piecewise linear along one direction.

    Args:
        direction: u, (pixels,).
        knots: rising values of s, (knots,), at least two; beyond them the ends go on straight.
        values: the logits at the knots, (knots, classes).
        shape: (channels, height, width).

    Raises:
        ConfigError: the knots do not rise.
    """

    kind = "fold"

    def __init__(
        self,
        direction: ArrayLike,
        knots: ArrayLike,
        values: ArrayLike,
        shape: Sequence[int] = (3, 4, 4),
    ) -> None:
        self._direction, self._knots, self._values = (
            single(direction),
            single(knots),
            single(values),
        )
        if len(self._knots) < 2 or not np.all(np.diff(self._knots) > 0):
            raise ConfigError(
                "the knots of a fold do not rise", hint="give two or more rising numbers"
            )
        self.shape = (shape[0], shape[1], shape[2])
        self.classes = self._values.shape[1]

    @property
    def module(self) -> nn.Module:
        return _Module(self._direction, self._knots, self._values)

    @property
    def arrays(self) -> Arrays:
        return {"direction": self._direction, "knots": self._knots, "values": self._values}

    @classmethod
    def of(cls, arrays: Arrays, shape: tuple[int, int, int]) -> Fold:
        return cls(arrays["direction"], arrays["knots"], arrays["values"], shape)

    def logits(self, pixels: Matrix) -> Matrix:
        return self._along(pixels @ self._direction)

    def _along(self, s: Vector) -> Matrix:
        place = np.clip(np.searchsorted(self._knots, s) - 1, 0, len(self._knots) - 2)
        low, high = self._values[place], self._values[place + 1]
        share = (s - self._knots[place]) / (self._knots[place + 1] - self._knots[place])
        found: Matrix = low + share[:, None] * (high - low)
        return found

    def intervals(self, reached: Sequence[int], label: int | None = None) -> list[Interval]:
        """The intervals of s in which one of the classes ``reached`` is largest.

        Args:
            label: if given, they only have to be at least as large as this one's.
        """
        cuts = self._cuts()
        middles = (cuts[:-1] + cuts[1:]) / 2
        logits = self._along(middles)
        rivals = logits.max(1) if label is None else logits[:, label]
        inside = (logits[:, list(reached)].max(1) >= rivals).tolist()
        ends = zip(cuts[:-1], cuts[1:], inside, strict=True)
        found = [(low, high) for low, high, here in ends if here]
        far = np.array([cuts[0], cuts[-1]])
        return [
            (
                -math.inf if low == far[0] else float(low),
                math.inf if high == far[1] else float(high),
            )
            for low, high in found
        ]

    def _cuts(self) -> Vector:
        """Where logits bend or cross, rising; the ends lie beyond what the box can reach."""
        reach = np.abs(self._direction).sum() + np.abs(self._knots).max() + 1
        ends = np.concatenate(([-reach], self._knots, [reach]))
        logits = self._along(ends)
        cuts = set(ends.tolist())
        for one in range(self.classes):
            for other in range(one):
                gap = logits[:, one] - logits[:, other]
                for place in np.flatnonzero(gap[:-1] * gap[1:] < 0):
                    share = gap[place] / (gap[place] - gap[place + 1])
                    cuts.add(float(ends[place] + share * (ends[place + 1] - ends[place])))
        return np.array(sorted(cuts))

    def _nearest(self, x: Vector, label: int, norm: Norm, target: int | None) -> Nearest:
        if target is None:
            reached = [each for each in range(self.classes) if each != label]
            found = self.intervals(reached, label)
        else:
            found = self.intervals([target])
        s, u = float(self._direction @ x), self._direction[None]
        ends = [Polytope(u, np.array([low])) for low, _ in found if s < low < math.inf]
        ends += [Polytope(-u, np.array([-high])) for _, high in found if -math.inf < high < s]
        return nearest_of(ends, x, norm)
