"""Balls around the originals in four norms, each row with a radius of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from harness.api import Norm
from harness_attacks.nearest.projections import keep_largest, l1_ball
from harness_attacks.nearest.stepper import TINY


class Ball(ABC):
    """What FMN needs of a norm.

    Attributes:
        order: of the dual norm.
    """

    order: ClassVar[float]

    def dual(self, rows: Tensor) -> Tensor:
        """The dual norms, (n,): how much a step of length 1 changes a linear function at most."""
        norms: Tensor = torch.linalg.vector_norm(rows, self.order, dim=1)
        return norms

    @abstractmethod
    def project(self, delta: Tensor, radius: Tensor) -> Tensor:
        """``delta`` (n, values) inside the balls of ``radius`` (n,); may be in place."""


class Linf(Ball):
    """A cube."""

    order = 1.0

    def project(self, delta: Tensor, radius: Tensor) -> Tensor:
        column = radius[:, None]
        return torch.clamp(delta, -column, column, out=delta)


class L2(Ball):
    """A sphere: what ends inside goes out to it, as in the released code, for epsilon alone is to
    say how far the next point is."""

    order = 2.0

    def project(self, delta: Tensor, radius: Tensor) -> Tensor:
        norms = torch.linalg.vector_norm(delta, 2, dim=1).clamp_(min=TINY)
        return delta.mul_((radius / norms)[:, None])


class L1(Ball):
    """A cross-polytope."""

    order = torch.inf

    def project(self, delta: Tensor, radius: Tensor) -> Tensor:
        return l1_ball(delta, radius)


class L0(Ball):
    """The largest values stay; its epsilon is a count, and no dual norm estimates it."""

    order = torch.inf

    def project(self, delta: Tensor, radius: Tensor) -> Tensor:
        return keep_largest(delta, radius)


BALLS: Mapping[Norm, Ball] = {
    Norm.LINF: Linf(),
    Norm.L2: L2(),
    Norm.L1: L1(),
    Norm.L0: L0(),
}
