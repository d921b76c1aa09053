"""DenseNet: every layer of a block reads the concatenated outputs of all layers before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness_digits.architectures.layers import head, max_pool, strided_convolution

if TYPE_CHECKING:
    from collections.abc import Sequence

STEM = 16
BOTTLENECK = 4


def densenet(depths: Sequence[int], growth: int) -> nn.Module:
    """Return a small DenseNet: `depths[i]` layers of `growth` channels in its i-th dense block."""
    channels = STEM
    layers: list[nn.Module] = [
        strided_convolution(channels),
        *_activation(channels),
        max_pool(),
    ]
    for block, depth in enumerate(depths):
        if block:
            layers += [*_activation(channels), nn.Conv2d(channels, channels // 2, 1, bias=False)]
            channels //= 2
            if block < len(depths) - 1:  # the last block keeps 2 x 2 pixels
                layers.append(nn.AvgPool2d(2))
        for _ in range(depth):
            layers.append(DenseLayer(channels, growth))
            channels += growth
    return nn.Sequential(*layers, *_activation(channels), head(channels))


class DenseLayer(nn.Module):
    """A 1 x 1 bottleneck and a 3 x 3 convolution, concatenated to the input."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        width = BOTTLENECK * growth
        self.new = nn.Sequential(
            *_activation(channels),
            nn.Conv2d(channels, width, 1, bias=False),
            *_activation(width),
            nn.Conv2d(width, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.new(x)], dim=1)


def _activation(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels, eps=1.1e-5), nn.ReLU()
