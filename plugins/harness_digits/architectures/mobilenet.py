"""MobileNet v1: depthwise separable convolutions, relu6 and a width multiplier."""

from __future__ import annotations

from torch import nn

from harness_digits.architectures.layers import head, strided_convolution

STEM = 8
# Output channels at multiplier 1 and stride of the eleven separable convolutions.
LAYERS = (
    (16, 1),
    (32, 2),
    (32, 1),
    (48, 2),
    (48, 1),
    (64, 1),
    (64, 1),
    (64, 1),
    (64, 1),
    (96, 2),
    (96, 1),
)


def mobilenet_v1(multiplier: float) -> nn.Module:
    """Return a small MobileNet v1 whose layers have `multiplier` times the full channels."""
    channels = round(STEM * multiplier)
    layers = [strided_convolution(channels), *_activation(channels)]
    for width, stride in LAYERS:
        outputs = round(width * multiplier)
        layers += _unit(channels, channels, 3, stride, groups=channels)
        layers += _unit(channels, outputs, 1)
        channels = outputs
    return nn.Sequential(*layers, head(channels))


def _unit(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        *_activation(outputs),
    )


def _activation(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels, eps=1e-3), nn.ReLU6()
