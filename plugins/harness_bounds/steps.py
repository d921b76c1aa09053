"""A network as steps that bounds can be carried through: affine maps, ramps, maxima and a norm.

All numbers are float64 on the CPU: rounding there is far below what a float32 verdict can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Affine:
    """``of`` the values of ``inputs``, together affine in them.

    Attributes:
        magnitude: the same map with absolute coefficients and without its constant.
    """

    name: str
    inputs: tuple[str, ...]
    of: Callable[..., Tensor]
    magnitude: Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class Ramp:
    """Elementwise min(max(x, low), high); an end may be infinite."""

    name: str
    inputs: tuple[str]
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Maximum:
    """``of`` a value: maxima of its entries, as of max pooling.

    Attributes:
        overlap: of how many of them an entry may be.
    """

    name: str
    inputs: tuple[str]
    of: Callable[[Tensor], Tensor]
    overlap: int


@dataclass(frozen=True, slots=True)
class Response:
    """Local response norm: each entry x times (a sum of squares around it) ** ``power``.

    Attributes:
        sums: of the input's squares, in its shape; above 0, and growing with every square.
        power: below 0.
    """

    name: str
    inputs: tuple[str]
    sums: Affine
    power: float


Step = Affine | Ramp | Maximum | Response


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a network, each after its inputs; the last one's values are the logits.

    Attributes:
        image: the name of the input.
        steps: at least one.
    """

    image: str
    steps: tuple[Step, ...]

    def users(self, name: str) -> int:
        """How many steps take a value."""
        return sum(name in step.inputs for step in self.steps)
