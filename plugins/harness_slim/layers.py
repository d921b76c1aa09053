"""TF-Slim's layers on TensorFlow's SAME padding, called so that checkpoints map by rule.

A layer is a module under TF-Slim's own scope. What TensorFlow calls ``SCOPE/weights`` is the
parameter ``SCOPE.conv.weight`` here (`harness_slim.names` has the whole rule). Images are (n,
channels, height, width). To torch.fx a padding is one operation, so that batch norms can be folded
into the convolutions before them.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from harness_models.padding import same_padding

Named = Literal["SAME", "VALID"]
Padding = Named | int
"""TensorFlow's; or so many zeros on each of the four sides."""
Sides = int | tuple[int, int]
"""Height and width of a kernel; one number where they are equal."""

EPSILON = 1e-3
"""Of the Inceptions', MobileNet's and NASNet's batch norms."""


@fx.wrap
def padded(images: Tensor, kernel: tuple[int, int], stride: int, value: float = 0.0) -> Tensor:
    """``images`` with what SAME puts around them, the odd row and column below and on the right."""
    height = same_padding(images.shape[2], kernel[0], stride)
    width = same_padding(images.shape[3], kernel[1], stride)
    return F.pad(images, (*width, *height), value=value) if any(height + width) else images


@fx.wrap
def _own_means(images: Tensor, kernel: int, stride: int) -> Tensor:
    """The mean of the pixels that each window of SAME has of ``images`` themselves."""
    whole = padded(images, (kernel, kernel), stride)
    means = F.avg_pool2d(whole, kernel, stride)
    if whole is images:
        return means
    inside = padded(torch.ones_like(images[:1, :1]), (kernel, kernel), stride)
    return means / F.avg_pool2d(inside, kernel, stride)


def max_pool(images: Tensor, kernel: int, stride: int, padding: Named = "SAME") -> Tensor:
    """The largest value of each window; what SAME adds never is."""
    if padding == "SAME":
        images = padded(images, (kernel, kernel), stride, -torch.inf)
    return F.max_pool2d(images, kernel, stride)


def average_pool(images: Tensor, kernel: int, stride: int, padding: Named = "SAME") -> Tensor:
    """The mean of each window's own pixels: what SAME adds does not count."""
    if padding == "SAME":
        return _own_means(images, kernel, stride)
    return F.avg_pool2d(images, kernel, stride)


def norm(width: int, *, gamma: bool = False, epsilon: float = EPSILON) -> nn.BatchNorm2d:
    """A batch norm; without ``gamma`` (TF-Slim's default) it shifts and does not scale."""
    found = nn.BatchNorm2d(width, eps=epsilon)
    if not gamma:
        found.register_parameter("weight", None)
    return found


class Conv(nn.Module):
    """A convolution with biases, or without; no activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Sides,
        *,
        stride: int = 1,
        padding: Padding = "SAME",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.conv = _convolution(inputs, outputs, kernel, stride, padding, bias=bias)
        self.padding = padding

    def forward(self, images: Tensor) -> Tensor:
        return _convolved(self.conv, images, self.padding)


class ConvNorm(nn.Module):
    """A convolution without biases, its batch norm, and relu unless ``relu`` is false."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Sides,
        *,
        stride: int = 1,
        padding: Padding = "SAME",
        gamma: bool = False,
        epsilon: float = EPSILON,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.conv = _convolution(inputs, outputs, kernel, stride, padding)
        self.BatchNorm = norm(outputs, gamma=gamma, epsilon=epsilon)
        self.padding, self.relu = padding, relu

    def forward(self, images: Tensor) -> Tensor:
        images = self.BatchNorm(_convolved(self.conv, images, self.padding))
        return F.relu(images) if self.relu else images


class Separable(nn.Module):
    """A depthwise convolution and a pointwise one, nothing between; no norm, no activation.

    Each input channel has ``multiplier`` depthwise kernels.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: Sides,
        *,
        stride: int = 1,
        padding: Padding = "SAME",
        multiplier: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        between = inputs * multiplier
        self.depthwise = _convolution(inputs, between, kernel, stride, padding, groups=inputs)
        self.pointwise = nn.Conv2d(between, outputs, 1, bias=bias)
        self.padding = padding

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.pointwise(_convolved(self.depthwise, images, self.padding))
        return found


class Dense(nn.Module):
    """A fully connected layer: features (n, inputs) to (n, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.linear(features)
        return found


def _convolution(
    inputs: int,
    outputs: int,
    kernel: Sides,
    stride: int,
    padding: Padding,
    *,
    groups: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """torch's own, which pads by itself where every size of image takes the same zeros."""
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    zeros = (padding, padding) if isinstance(padding, int) else (0, 0)
    if padding == "SAME" and _symmetric(sides, stride):
        zeros = (sides[0] // 2, sides[1] // 2)
    return nn.Conv2d(inputs, outputs, sides, stride, zeros, groups=groups, bias=bias)


def _symmetric(kernel: tuple[int, ...], stride: int) -> bool:
    """Whether SAME is as many zeros on both sides of an axis, whatever the axis' size."""
    return stride == 1 and all(side % 2 for side in kernel)


def _convolved(conv: nn.Conv2d, images: Tensor, padding: Padding) -> Tensor:
    if padding == "SAME" and not _symmetric(conv.kernel_size, conv.stride[0]):
        height, width = conv.kernel_size
        images = padded(images, (height, width), conv.stride[0])
    found: Tensor = conv(images)
    return found
