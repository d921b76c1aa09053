"""Inception v3, Inception v4 and Inception-ResNet-v2: factorised, deeper, residual modules."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from harness_digits.architectures.inception_layers import (
    COLUMN,
    ROW,
    SHORT_COLUMN,
    SHORT_ROW,
    Branches,
    Module,
    activation,
    unit,
    units,
)
from harness_digits.architectures.layers import average_pool, head, max_pool, strided_convolution

WIDTH = 48
REDUCED = WIDTH + 32


def inception_v3() -> nn.Module:
    """Return a small Inception v3: modules A, B (1 x 5 and 5 x 1) and C (1 x 3 next to 3 x 1)."""
    return nn.Sequential(
        strided_convolution(16),
        *activation(16),
        max_pool(),
        units((16, 16, 32), (1, 3)),
        _module_a(32, 5),
        _reduction_a(WIDTH),
        _module_b(REDUCED),
        _reduction_b(WIDTH),
        _module_c(REDUCED),
        head(WIDTH),
    )


def inception_v4() -> nn.Module:
    """Return a small Inception v4: a branched stem and one module more."""
    return nn.Sequential(
        strided_convolution(16),
        *activation(16),
        Branches(max_pool(), unit(16, 16, 3, stride=2)),
        Module(32, 0, (8, unit(8, 16, 3)), (8, units((8, 8, 8, 16), (ROW, COLUMN, 3)))),
        _module_a(32, 3),
        _reduction_a(WIDTH),
        _module_b(REDUCED),
        _module_b(WIDTH),
        _reduction_b(WIDTH),
        _module_c(REDUCED),
        head(WIDTH),
    )


def inception_resnet_v2() -> nn.Module:
    """Return a small Inception-ResNet-v2: scaled residual modules of three kinds."""
    return nn.Sequential(
        strided_convolution(16),
        *activation(16),
        max_pool(),
        units((16, 16, 32), (1, 3)),
        Residual(32, 0.17, _residual_a(32)),
        _reduction_a(32),
        *[Residual(64, 0.10, _residual_b(64, ROW, COLUMN)) for _ in range(4)],
        _reduction_b(64),
        *[Residual(96, 0.20, _residual_b(96, SHORT_ROW, SHORT_COLUMN)) for _ in range(3)],
        head(96),
    )


class Residual(nn.Module):
    """Add `scale` times the branches' 24 channels, widened by a 1 x 1, to the input; then ReLU."""

    def __init__(self, channels: int, scale: float, branches: nn.Module) -> None:
        super().__init__()
        self.scale = scale
        self.branches = branches
        self.widen = nn.Conv2d(24, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.scale * self.widen(self.branches(x)))


def _module_a(inputs: int, kernel: int) -> nn.Module:
    """Return a module whose first tower is a 5 x 5 (v3) or a 3 x 3 (v4)."""
    double = units((8, 12, 12), (3, 3))
    return Module(inputs, 16, (8, unit(8, 12, kernel)), (8, double), (8, average_pool()))


def _module_b(inputs: int) -> nn.Module:
    """Return a module with convolutions split into rows and columns."""
    single = units((8, 8, 12), (ROW, COLUMN))
    double = units((8, 8, 8, 8, 12), (COLUMN, ROW, COLUMN, ROW))
    return Module(inputs, 16, (8, single), (8, double), (8, average_pool()))


def _module_c(inputs: int) -> nn.Module:
    """Return a module whose towers end in a row next to a column."""
    deep = nn.Sequential(unit(8, 8, 3), _cross(8))
    return Module(inputs, 8, (8, _cross(8)), (8, deep), (8, average_pool()))


def _reduction_a(inputs: int) -> nn.Module:
    """Halve the side and add 32 channels; the pool branch keeps all inputs."""
    return Branches(
        unit(inputs, 16, 3, stride=2),
        nn.Sequential(unit(inputs, 8, 1), unit(8, 8, 3), unit(8, 16, 3, stride=2)),
        max_pool(),
    )


def _reduction_b(inputs: int) -> nn.Module:
    """Halve the side and add 32 channels, half of them through a row and a column."""
    long = nn.Sequential(units((8, 8, 8), (ROW, COLUMN)), unit(8, 16, 3, stride=2))
    return Branches(Module(inputs, 0, (8, unit(8, 16, 3, stride=2)), (8, long)), max_pool())


def _cross(channels: int) -> nn.Module:
    return Branches(unit(channels, channels, SHORT_ROW), unit(channels, channels, SHORT_COLUMN))


def _residual_a(inputs: int) -> nn.Module:
    return Module(inputs, 8, (8, unit(8, 8, 3)), (8, units((8, 8, 8), (3, 3))))


def _residual_b(inputs: int, row: tuple[int, int], column: tuple[int, int]) -> nn.Module:
    return Module(inputs, 12, (8, units((8, 8, 12), (row, column))))
