"""The images within a distance of one: a ball of a norm, and the pixel range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

Norm = Literal["l1", "l2", "linf"]
NORMS: tuple[Norm, ...] = ("l1", "l2", "linf")
_DUAL = {"l1": float("inf"), "l2": 2.0, "linf": 1.0}


class Range(NamedTuple):
    """Numbers that a tensor's entries lie between."""

    lower: Tensor
    upper: Tensor


def dual(rows: Tensor, norm: Norm) -> Tensor:
    """The dual norm of ``norm`` of each row, (n, ...) to (n,)."""
    return rows.flatten(1).norm(_DUAL[norm], dim=1)


def widest(values: int, norm: Norm) -> float:
    """How far two images of so many ``values`` in [0, 1] can be from each other."""
    return {"l1": float(values), "l2": values**0.5, "linf": 1.0}[norm]


@dataclass(frozen=True, slots=True)
class Region:
    """All images in [0, 1] within ``radius`` of ``image``, float64 (1, channels, height, width)."""

    image: Tensor
    radius: float
    norm: Norm

    @property
    def range(self) -> Range:
        """Of every pixel."""
        return Range(
            (self.image - self.radius).clamp(min=0), (self.image + self.radius).clamp(max=1)
        )

    def lowest(self, rows: Tensor) -> Tensor:
        """A lower bound of each row's product with an image of the region: (n, 1, ...) to (n,)."""
        lower, upper = self.range
        box = (rows.clamp(min=0) * lower + rows.clamp(max=0) * upper).flatten(1).sum(1)
        if self.norm == "linf":
            return box
        ball = (rows * self.image).flatten(1).sum(1) - self.radius * dual(rows, self.norm)
        return box.maximum(ball)
