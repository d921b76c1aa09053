"""Balls within the box [0, 1], a row for each image: where starts lie, how a step climbs.

Everything works on rows (n, values); see `harness_attacks.layout`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from harness.api import Norm, Slots
from harness_attacks.ascent import box_l1

Rows = Tensor | slice
ALL = slice(None)
SMALLEST = 1e-30
"""Added to the length of a gradient, which may be zero."""


class Ball(ABC):
    """The balls of ``epsilon`` around the originals of all slots.

    Attributes:
        original: float32 (slots, values).
    """

    norm: Norm

    def __init__(self, slots: Slots, epsilon: float) -> None:
        shape = (slots.count, math.prod(slots.shape))
        self.epsilon = epsilon
        self.original = torch.zeros(shape, device=slots.device)

    def load(self, rows: Tensor, originals: Tensor) -> None:
        """New ``originals`` (n, values) for the slots ``rows`` (int64)."""
        self.original[rows] = originals

    def keep(self, rows: Tensor) -> None:
        """As `harness.api.Stepper.keep`."""
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(self, name, value[rows])

    @abstractmethod
    def start(self, noise: Tensor, rows: Tensor) -> Tensor:
        """Random points (n, values) of the balls of ``rows``, from standard normal numbers."""

    @abstractmethod
    def climb(self, points: Tensor, gradient: Tensor, size: Tensor, out: Tensor) -> Tensor:
        """Steepest steps of ``size`` (slots, 1), not yet projected; ``gradient`` is overwritten."""

    @abstractmethod
    def project_(self, points: Tensor, rows: Rows = ALL) -> Tensor:
        """``points`` (n, values) moved into the balls of ``rows`` and the box, in place."""

    def tight(self, points: Tensor, rows: Tensor) -> Tensor:
        """``points`` (n, values) of ``rows``, where rounding to float32 has left the ball: inside.

        The sum of half a unit in the last place over very many values can be more than what is
        tolerated of a budget. Moving each by one unit is more than it.
        """
        original = self.original[rows]
        order = {Norm.L2: 2.0, Norm.L1: 1.0}[self.norm]
        size = torch.linalg.vector_norm((points - original).double(), order, dim=1)
        return torch.where((size > self.epsilon)[:, None], points.nextafter(original), points)


class LinfBall(Ball):
    """Steps of the gradient's sign.

    Attributes: low, high: the faces of balls and box, float32 (slots, values).
    """

    norm = Norm.LINF

    def __init__(self, slots: Slots, epsilon: float) -> None:
        super().__init__(slots, epsilon)
        self.low, self.high = torch.zeros_like(self.original), torch.zeros_like(self.original)

    def load(self, rows: Tensor, originals: Tensor) -> None:
        super().load(rows, originals)
        self.low[rows] = (originals - self.epsilon).clamp_(min=0)
        self.high[rows] = (originals + self.epsilon).clamp_(max=1)

    def start(self, noise: Tensor, rows: Tensor) -> Tensor:
        """Uniform in the ball, then cut by the box."""
        uniform = (noise * math.sqrt(0.5)).erf_()
        return self.project_(uniform.mul_(self.epsilon).add_(self.original[rows]), rows)

    def climb(self, points: Tensor, gradient: Tensor, size: Tensor, out: Tensor) -> Tensor:
        return torch.addcmul(points, gradient.sign_(), size, out=out)

    def project_(self, points: Tensor, rows: Rows = ALL) -> Tensor:
        return torch.clamp(points, self.low[rows], self.high[rows], out=points)

    def tight(self, points: Tensor, rows: Tensor) -> Tensor:
        """As they are: the faces are the nearest numbers that there are."""
        return points


class L2Ball(Ball):
    """Steps along the gradient."""

    norm = Norm.L2

    def start(self, noise: Tensor, rows: Tensor) -> Tensor:
        """Uniform on the sphere, then cut by the box."""
        length = torch.linalg.vector_norm(noise, dim=1, keepdim=True)
        onto = noise * (self.epsilon / (length + SMALLEST))
        return self.project_(onto.add_(self.original[rows]), rows)

    def climb(self, points: Tensor, gradient: Tensor, size: Tensor, out: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        return torch.addcmul(points, gradient, size / (length + SMALLEST), out=out)

    def project_(self, points: Tensor, rows: Rows = ALL) -> Tensor:
        """Scaled into the ball and then cut by the box, which only brings them nearer."""
        original = self.original[rows]
        points.sub_(original)
        length = torch.linalg.vector_norm(points, dim=1, keepdim=True)
        points.mul_((self.epsilon / (length + SMALLEST)).clamp_(max=1))
        return points.add_(original).clamp_(0, 1)


class L1Ball(Ball):
    """Sparse steps, along the largest values of the gradient alone (Croce & Hein 2021, section 3).

    Attributes:
        radius: (slots, 1), of the balls; an attack may change it.
        sparsity: (slots, 1), the share of the values that a step changes.
    """

    norm = Norm.L1

    def __init__(self, slots: Slots, epsilon: float, sparsity: float = 0.2) -> None:
        super().__init__(slots, epsilon)
        column = self.original[:, :1]
        self.radius = torch.full_like(column, epsilon)
        self.sparsity = torch.full_like(column, sparsity)

    def start(self, noise: Tensor, rows: Tensor) -> Tensor:
        """The projection of normal noise around the original."""
        return self.project_(noise + self.original[rows], rows)

    def climb(self, points: Tensor, gradient: Tensor, size: Tensor, out: Tensor) -> Tensor:
        """Equal steps along the signs of the largest values; their l1 norms sum to ``size``."""
        values = gradient.shape[1]
        count = (self.sparsity * values).round().clamp(1, values).long()
        sizes = gradient.abs()
        least = sizes.sort(dim=1, descending=True).values.gather(1, count - 1)
        signs = gradient.sign_().masked_fill_(sizes < least, 0)
        chosen = signs.count_nonzero(1).clamp_(min=1)[:, None]
        return torch.addcmul(points, signs, size / chosen, out=out)

    def project_(self, points: Tensor, rows: Rows = ALL) -> Tensor:
        return points.copy_(box_l1.project(points, self.original[rows], self.radius[rows]))


BALLS: dict[Norm, type[LinfBall] | type[L2Ball]] = {Norm.LINF: LinfBall, Norm.L2: L2Ball}
