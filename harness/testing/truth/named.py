"""A fixed set of networks, one or two of each kind, and images for all of them.

Their numbers are a hash's, on a grid that float32 holds exactly, so they are the same everywhere.
The classes are three prototypes with noise around them, and each network is made so that it tells
most images from another: in the end it compares features of the image with those of prototypes.
"""

from __future__ import annotations

import hashlib
from math import prod

import numpy as np
from numpy.typing import NDArray

from harness.testing.truth.fold import Fold
from harness.testing.truth.masked import Masked
from harness.testing.truth.maxout import MaxOfAffine
from harness.testing.truth.network import Linear, Network
from harness.testing.truth.polytope import Matrix
from harness.testing.truth.relu import Layer, ReLU

SHAPE = (3, 4, 4)
CLASSES = 3
IMAGES = 48
GRID = 256


def numbers(name: str, *shape: int) -> Matrix:
    """Numbers in (-1, 1) that depend on ``name`` alone, evenly spread."""
    drawn = hashlib.shake_256(name.encode()).digest(prod(shape))
    return (np.frombuffer(drawn, np.uint8).astype(np.float64) - 127.5).reshape(shape) / 128


def _rounded(values: Matrix) -> Matrix:
    found: Matrix = np.round(values * GRID) / GRID
    return found


def prototypes() -> Matrix:
    """(classes, pixels)."""
    return 0.5 + 0.3 * numbers("prototypes", CLASSES, prod(SHAPE))


def images() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images, float32 (n, 3, 4, 4), whole numbers over 255, and labels, int64 (n,)."""
    labels = np.arange(IMAGES) % CLASSES
    noise = numbers("images", IMAGES, prod(SHAPE))
    pixels = np.clip(prototypes()[labels] + 0.27 * noise, 0, 1)
    shown = (np.round(255 * pixels) / 255).astype(np.float32).reshape(IMAGES, *SHAPE)
    return shown, labels


def networks() -> dict[str, Network]:
    """The networks by name; each call makes them anew."""
    linear, curved = _linear(), _max_of_affine()
    return {
        "linear": linear,
        "linear-box": _linear_box(),
        "fold": _fold(),
        "max-of-affine": curved,
        "relu": _relu("relu", 8),
        "relu-deep": _relu("relu 23", 7, 5),
        "masked-staircase": Masked(curved, "staircase"),
        "masked-saturated": Masked(linear, "saturated"),
        "masked-wavy": Masked(curved, "wavy"),
    }


def _compared(features: Matrix) -> Layer:
    """The layer whose logits compare features with those of each class, (classes, features)."""
    middle = features.mean(0)
    weights = _rounded(features - middle)
    return weights, _rounded(-(weights * (features + middle) / 2).sum(1))


def _linear() -> Linear:
    weights, _ = _compared(prototypes())
    weights = _rounded(4 * weights + 0.5 * numbers("linear", *weights.shape))
    return Linear(weights, _rounded(-(weights * prototypes()).sum(1) + 1), SHAPE)


def _linear_box() -> Linear:
    """A few pixels have nearly all the weight: the nearest images are at the ends of the box."""
    plain = _linear()
    weights = _rounded(3 * plain.arrays["weights"] ** 3)
    return Linear(weights, _rounded(-(weights * prototypes()).sum(1) + 1), SHAPE)


def _fold() -> Fold:
    """The classes come again along the direction, and slopes end in dips that are no boundary."""
    first, _, third = prototypes()
    direction = _rounded((third - first) / 2 + 0.02 * numbers("direction", prod(SHAPE)))
    places = np.sort(prototypes() @ direction)
    middle = (places[0] + places[-1]) / 2
    knots = _rounded(middle + np.linspace(-4, 4, 33))
    values = -np.abs(knots[:, None] - prototypes() @ direction)
    return Fold(direction, knots, _rounded(values + 0.3 * numbers("fold", *values.shape)), SHAPE)


def _max_of_affine() -> MaxOfAffine:
    pieces = prototypes()[:, None] + 0.4 * numbers("pieces", CLASSES, 3, prod(SHAPE))
    weights = _rounded(pieces - prototypes().mean(0))
    middle = prototypes().mean(0)
    bias = -(weights * (prototypes()[:, None] + middle) / 2).sum(2)
    return MaxOfAffine(weights, _rounded(bias + 0.3 * numbers("heights", CLASSES, 3)), SHAPE)


def _relu(name: str, *widths: int) -> ReLU:
    """Random layers whose kinks pass between the prototypes, and a comparison at the end."""
    layers, features = [], prototypes()
    for number, width in enumerate(widths):
        weights = _rounded(numbers(f"{name} {number}", width, features.shape[1]) / 2)
        middle = features.mean(0)
        shift = 0.2 * numbers(f"{name} {number} bias", width)
        bias = _rounded(-(weights @ middle) + shift)
        layers.append((weights, bias))
        features = np.maximum(features @ weights.T + bias, 0)
    return ReLU([*layers, _compared(features)], SHAPE)
