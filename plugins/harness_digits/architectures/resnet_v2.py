"""ResNet-v2: pre-activation bottlenecks, the stride in the last unit of a block, a final norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from harness_digits.architectures.layers import head, max_pool, strided_convolution

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTHS = (8, 12, 16, 16)
STRIDES = (2, 2, 1, 1)
EXPANSION = 4


def resnet_v2(depths: Sequence[int]) -> nn.Module:
    """Return a small ResNet-v2 with `depths[i]` bottlenecks in its i-th block of four."""
    units: list[nn.Module] = []
    channels = 16
    for depth, width, stride in zip(depths, WIDTHS, STRIDES, strict=True):
        for left in reversed(range(depth)):
            units.append(Bottleneck(channels, width, stride if left == 0 else 1))
            channels = EXPANSION * width
    stem = strided_convolution(16, bias=True), max_pool()
    return nn.Sequential(*stem, *units, _activation(channels), head(channels))


class Bottleneck(nn.Module):
    """Norm and ReLU, then 1 x 1, 3 x 3 and 1 x 1 convolutions, added to the input."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.activation = _activation(channels)
        self.projects = channels != outputs
        # An identity of stride 2 keeps every second pixel: a max pool of size 1.
        self.shortcut = (
            nn.Conv2d(channels, outputs, 1, stride) if self.projects else nn.MaxPool2d(1, stride)
        )
        self.residual = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            _activation(width),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            _activation(width),
            nn.Conv2d(width, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        active = self.activation(x)
        total: Tensor = self.shortcut(active if self.projects else x) + self.residual(active)
        return total


def _activation(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels, eps=1.001e-5), nn.ReLU())
