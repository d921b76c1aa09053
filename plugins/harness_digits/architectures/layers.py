"""Layers shared by several families."""

from __future__ import annotations

from torch import nn


def strided_convolution(outputs: int, stride: int = 2, bias: bool = False) -> nn.Sequential:
    """Return the first convolution of a network: size 3 * stride, on three input channels.

    It is computed as space-to-depth and a 3 x 3 convolution. That is the same function, and on a
    CPU its backward pass to a three-channel image is several times faster.
    """
    channels = 3 * stride * stride
    return nn.Sequential(
        nn.PixelUnshuffle(stride), nn.Conv2d(channels, outputs, 3, padding=1, bias=bias)
    )


def max_pool(stride: int = 2) -> nn.MaxPool2d:
    """Return a padded 3 x 3 max pool."""
    return nn.MaxPool2d(3, stride, 1)


def average_pool(stride: int = 1) -> nn.AvgPool2d:
    """Return a 3 x 3 average pool that leaves its padding out of the mean."""
    return nn.AvgPool2d(3, stride, 1, count_include_pad=False)


def head(channels: int) -> nn.Sequential:
    """Return global average pooling and the linear map to the ten logits."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
