"""Masked gradients around a network: the same classes and distances, gradients that say nothing.

A logit becomes how far it is above the largest of the others, so that the winner's is positive and
those of the others are negative, and then a function that keeps the sign. So every image keeps its
class, and its smallest distances; the order of the classes that lose is not kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from harness.api import ConfigError, Norm, did_you_mean
from harness.testing.truth.halfspace import Nearest, Vector
from harness.testing.truth.network import Arrays, Network
from harness.testing.truth.polytope import Matrix


def _staircase(margins: Tensor) -> Tensor:
    """Flat almost everywhere: all gradients are zero (Athalye et al. 2018, shattered)."""
    return margins.sign() * (16 * margins.abs()).ceil() / 16


def _saturated(margins: Tensor) -> Tensor:
    """In float32 the gradient is zero but for a hair's breadth at the boundary."""
    return (400 * margins).tanh()


def _wavy(margins: Tensor) -> Tensor:
    """Waves that never cross zero: every other slope leads away from the boundary."""
    return margins * (1 + 0.9 * (40 * math.pi * margins).sin())


MASKS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "staircase": _staircase,
    "saturated": _saturated,
    "wavy": _wavy,
}
"""By name; each maps margins (n, classes) to logits of the same signs."""


class _Module(nn.Module):
    def __init__(self, network: nn.Module, mask: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.mask = network, mask

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(images)
        top = logits.topk(2, dim=1).values
        rival = torch.where(logits == top[:, :1], top[:, 1:], top[:, :1])
        return self.mask(logits - rival)


class Masked(Network):
    """A network behind one of `MASKS`.

    Raises:
        ConfigError: there is no such mask.
    """

    def __init__(self, network: Network, mask: str) -> None:
        if mask not in MASKS:
            raise ConfigError(
                f"no mask {mask!r}",
                hint=did_you_mean(mask, MASKS, f"choose from {', '.join(MASKS)}"),
            )
        self._network, self.mask = network, mask
        self.kind, self.shape, self.classes = network.kind, network.shape, network.classes

    @property
    def module(self) -> nn.Module:
        return _Module(self._network.module, MASKS[self.mask])

    @property
    def arrays(self) -> Arrays:
        return self._network.arrays

    def logits(self, pixels: Matrix) -> Matrix:
        """Those of the network within: `distance` needs no more than who wins."""
        return self._network.logits(pixels)

    def _nearest(self, x: Vector, label: int, norm: Norm, target: int | None) -> Nearest:
        return self._network._nearest(x, label, norm, target)
