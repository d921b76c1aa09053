"""Inception v1 and v2: modules of parallel branches with several kernel sizes."""

from __future__ import annotations

from torch import nn

from harness_digits.architectures.inception_layers import Branches, Module, activation, unit, units
from harness_digits.architectures.layers import average_pool, head, max_pool, strided_convolution

WIDTH = 48


def inception_v1() -> nn.Module:
    """Return a small Inception v1: modules with 1 x 1, 3 x 3, 5 x 5 and pool branches."""
    return nn.Sequential(
        strided_convolution(16),
        *activation(16),
        max_pool(),
        units((16, 16, 32), (1, 3)),
        max_pool(),
        _module_v1(32),
        *[_module_v1(WIDTH) for _ in range(2)],
        max_pool(),
        *[_module_v1(WIDTH) for _ in range(2)],
        head(WIDTH),
    )


def inception_v2() -> nn.Module:
    """Return a small Inception v2: separable first convolution, 5 x 5 as two 3 x 3."""
    return nn.Sequential(
        # Depthwise with 4 outputs a channel, then 1 x 1; as in TF-slim with biases, without norm.
        nn.PixelUnshuffle(2),
        nn.Conv2d(12, 12, 3, padding=1, groups=3),
        nn.Conv2d(12, 16, 1),
        nn.ReLU(),
        max_pool(),
        units((16, 16, 32), (1, 3)),
        max_pool(),
        _module_v2(32),
        _module_v2(WIDTH),
        _reduction_v2(WIDTH),
        _module_v2(WIDTH + 32),
        _module_v2(WIDTH),
        head(WIDTH),
    )


def _module_v1(inputs: int) -> nn.Module:
    pool = max_pool(stride=1)
    return Module(inputs, 16, (8, unit(8, 16, 3)), (8, unit(8, 8, 5)), (8, pool))


def _module_v2(inputs: int) -> nn.Module:
    double = units((8, 8, 8), (3, 3))
    return Module(inputs, 16, (8, unit(8, 16, 3)), (8, double), (8, average_pool()))


def _reduction_v2(inputs: int) -> nn.Module:
    """Halve the side and add 32 channels; the pool branch keeps all inputs."""
    return Branches(
        nn.Sequential(unit(inputs, 8, 1), unit(8, 16, 3, stride=2)),
        nn.Sequential(unit(inputs, 8, 1), unit(8, 16, 3), unit(16, 16, 3, stride=2)),
        max_pool(),
    )
