"""VGG: stacks of 3 x 3 convolutions and max pools, no normalisation, a head of three layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from harness_digits.architectures.layers import strided_convolution

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTHS = (8, 16, 24, 24, 24)
UNPOOLED = 3


def vgg(depths: Sequence[int]) -> nn.Module:
    """Return a small VGG with `depths[i]` convolutions in its i-th of five stages.

    The first convolution has stride 2; in return stage 3, counted from 0, has no pool.
    """
    channels = WIDTHS[0]
    layers: list[nn.Module] = [strided_convolution(channels, bias=True), nn.ReLU()]
    for stage, (depth, width) in enumerate(zip(depths, WIDTHS, strict=True)):
        for _ in range(depth - (stage == 0)):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        if stage != UNPOOLED:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, *_head(channels))


def _head(channels: int) -> tuple[nn.Module, ...]:
    """Three fully connected layers on the one pixel that the pools leave."""
    return (
        nn.Flatten(),
        nn.Linear(channels, 64),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(64, 64),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(64, 10),
    )
