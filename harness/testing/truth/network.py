"""What the networks have in common: a module, a classifier, and exact distances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from harness.api import Classifier, ConfigError, Norm, Preprocessing
from harness.testing.truth.halfspace import NOWHERE, Nearest, Vector
from harness.testing.truth.polytope import Matrix, Polytope

Arrays = Mapping[str, np.ndarray]
"""A network's numbers by name, float32."""


class Network(ABC):
    """A classifier of small images whose smallest adversarial distances are known.

    Distances are those to the closed set of adversarial images in the box [0, 1]: where two logits
    tie, the image is adversarial. Numbers are float32, as the module's, and distances are computed
    from them in float64; the module's own rounding moves a boundary by about 1e-6.

    Attributes:
        kind: what it is called in files.
        mask: what hides its gradient, one of `MASKS`; empty: nothing.
        shape: (channels, height, width) of an image.
        classes: their number.
    """

    kind: str
    mask: str = ""
    shape: tuple[int, int, int]
    classes: int

    @property
    def pixels(self) -> int:
        """How many values an image has."""
        return int(np.prod(self.shape))

    @property
    @abstractmethod
    def module(self) -> nn.Module:
        """float32 images (n, channels, height, width) in [0, 1] to logits (n, classes)."""

    @property
    @abstractmethod
    def arrays(self) -> Arrays:
        """All that it is made of, besides its shape."""

    @abstractmethod
    def logits(self, pixels: Matrix) -> Matrix:
        """The logits, float64 (n, classes), of images (n, pixels): what `distance` goes by."""

    @abstractmethod
    def _nearest(self, x: Vector, label: int, norm: Norm, target: int | None) -> Nearest:
        """As `nearest`, of an image (pixels,) that is not adversarial."""

    def classifier(self) -> Classifier:
        """It as loaders return models: in eval mode, its weights frozen."""
        channels, height, width = self.shape
        how = Preprocessing((height, width), channels="rgb" if channels == 3 else channels)
        return Classifier(self.module.eval().requires_grad_(False), how, self.classes)

    def distance(
        self, image: Tensor | ArrayLike, label: int, norm: Norm | str, target: int | None = None
    ) -> float:
        """The smallest distance to an image in the box that is adversarial.

        Args:
            image: (channels, height, width) or (pixels,), in [0, 1].
            label: the class that counts as right.
            target: the class to reach; None: any but ``label``.

        Returns:
            In pixel space; in l0 the number of changed values. 0 where the image is adversarial
            already, infinite where nothing in the box is.

        Raises:
            ConfigError: the image, a class or the norm is none of this network's.
            ArithmeticError: a solver's result is not proved.
        """
        return self.nearest(image, label, norm, target).distance

    def nearest(
        self, image: Tensor | ArrayLike, label: int, norm: Norm | str, target: int | None = None
    ) -> Nearest:
        """As `distance`, and an image that has it: on the boundary, so that rounding decides."""
        x = self._checked(image)
        for number in (label, *(() if target is None else (target,))):
            if not 0 <= number < self.classes:
                raise ConfigError(f"has no class {number}", where=f"a network of {self.classes}")
        logits = self.logits(x[None])[0]
        others = np.delete(logits, label)
        reached = (
            logits[label] <= others.max() if target is None else logits[target] == logits.max()
        )
        if reached:
            return Nearest(0.0, x)
        return self._nearest(x, label, Norm(norm), target)

    def _checked(self, image: Tensor | ArrayLike) -> Vector:
        given: Any = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else image
        x = np.asarray(given, np.float64).reshape(-1)
        if len(x) != self.pixels or not np.all((x >= 0) & (x <= 1)):
            raise ConfigError(
                f"is not an image of {self.pixels} values in [0, 1]",
                where=f"an image of shape {np.shape(given)}",
            )
        return x


def single(values: ArrayLike) -> Matrix:
    """The numbers as float32 holds them, in float64."""
    return np.asarray(values, np.float32).astype(np.float64)


def wins(weights: Matrix, bias: Vector, label: int, target: int | None) -> list[Polytope]:
    """Where affine logits are adversarial: one polytope, or for any class one for each.

    Args:
        weights: (classes, pixels); ``bias``: (classes,).
    """
    if target is None:
        return [
            Polytope((weights[each] - weights[label])[None], (bias[label] - bias[each])[None])
            for each in range(len(bias))
            if each != label
        ]
    others = [each for each in range(len(bias)) if each != target]
    return [Polytope(weights[target] - weights[others], bias[others] - bias[target])]


def nearest_of(
    pieces: Iterable[Polytope], x: Vector, norm: Norm, best: Nearest = NOWHERE
) -> Nearest:
    """The nearest point of several polytopes, or ``best`` where none is nearer."""
    listed = list(pieces)
    bounded = sorted((piece.at_least(x, norm), place) for place, piece in enumerate(listed))
    for least, place in bounded:
        if least >= best.distance:
            break
        if norm is Norm.L0 and not listed[place].may_reach(x, norm, best.distance):
            continue
        found = listed[place].nearest(x, norm)
        if found.distance < best.distance:
            best = found
    return best


class Affine(nn.Module):
    """Flattened images through one linear layer."""

    def __init__(self, weights: Matrix, bias: Vector) -> None:
        super().__init__()
        self.layer = linear_layer(weights, bias)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layer(images.flatten(1))
        return logits


def linear_layer(weights: Matrix, bias: Vector) -> nn.Linear:
    """``weights`` (out, in) and ``bias`` (out,) as a layer."""
    outputs, inputs = weights.shape
    # On meta, where it is filled with no random numbers: torch's own stay as they were.
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    layer.weight.data = torch.tensor(weights, dtype=torch.float32)
    layer.bias.data = torch.tensor(bias, dtype=torch.float32)
    return layer


class Weighted(Network):
    """A network that is made of weights and a bias, each with one row per class.

    Args:
        weights: (classes, ..., pixels).
        bias: (classes, ...).
        shape: (channels, height, width).
    """

    def __init__(
        self, weights: ArrayLike, bias: ArrayLike, shape: Sequence[int] = (3, 4, 4)
    ) -> None:
        self._weights, self._bias = single(weights), single(bias)
        self.shape = (shape[0], shape[1], shape[2])
        self.classes = len(self._bias)

    @property
    def arrays(self) -> Arrays:
        return {"weights": self._weights, "bias": self._bias}

    @classmethod
    def of(cls, arrays: Arrays, shape: tuple[int, int, int]) -> Self:
        return cls(arrays["weights"], arrays["bias"], shape)


class Linear(Weighted):
    """Logits that are affine in the pixels: distances in closed form, or one program if targeted.

    Args:
        weights: (classes, pixels).
        bias: (classes,).
        shape: (channels, height, width).
    """

    kind = "linear"

    @property
    def module(self) -> nn.Module:
        return Affine(self._weights, self._bias)

    def logits(self, pixels: Matrix) -> Matrix:
        found: Matrix = pixels @ self._weights.T + self._bias
        return found

    def _nearest(self, x: Vector, label: int, norm: Norm, target: int | None) -> Nearest:
        return nearest_of(wins(self._weights, self._bias, label, target), x, norm)
