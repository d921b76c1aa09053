"""Maxima of affine functions: each logit is the largest of a few.

A class wins where one of its pieces beats all pieces of the others: that is a polytope for each
piece, so the adversarial images are a union of few polytopes, and none need be searched for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from harness.api import Norm
from harness.testing.truth.halfspace import Nearest, Vector
from harness.testing.truth.network import Weighted, linear_layer, nearest_of
from harness.testing.truth.polytope import Matrix, Polytope


class _Module(nn.Module):
    def __init__(self, weights: Matrix, bias: Matrix) -> None:
        super().__init__()
        self.shape = bias.shape
        self.pieces = linear_layer(weights.reshape(bias.size, -1), bias.reshape(-1))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.pieces(images.flatten(1)).unflatten(1, self.shape).amax(2)
        return logits


class MaxOfAffine(Weighted):
    """Logits that are maxima of affine functions: convex ones, whose differences are not.

    Args:
        weights: (classes, pieces, pixels).
        bias: (classes, pieces).
        shape: (channels, height, width).
    """

    kind = "max-of-affine"

    @property
    def module(self) -> nn.Module:
        return _Module(self._weights, self._bias)

    def logits(self, pixels: Matrix) -> Matrix:
        found: Matrix = (np.einsum("cpd,nd->ncp", self._weights, pixels) + self._bias).max(2)
        return found

    def _nearest(self, x: Vector, label: int, norm: Norm, target: int | None) -> Nearest:
        reached = range(self.classes) if target is None else [target]
        beaten = [label] if target is None else range(self.classes)
        pieces = [
            self._beating(each, piece, [other for other in beaten if other != each])
            for each in reached
            if each != label
            for piece in range(self._bias.shape[1])
        ]
        return nearest_of(pieces, x, norm)

    def _beating(self, winner: int, piece: int, others: Sequence[int]) -> Polytope:
        """Where a piece of ``winner`` is at least as large as every piece of ``others``."""
        weights = self._weights[others].reshape(-1, self.pixels)
        return Polytope(
            self._weights[winner, piece] - weights,
            self._bias[others].reshape(-1) - self._bias[winner, piece],
        )
