"""AlexNet: large first kernels, local response norm, grouped convolutions, overlapping pools."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_digits.architectures.layers import max_pool, strided_convolution

NEIGHBOURS = 5


def alexnet() -> nn.Module:
    """Return a small AlexNet: a 12 x 12 convolution of stride 4, four others, a head of three."""
    return nn.Sequential(
        strided_convolution(32, stride=4, bias=True),
        nn.ReLU(),
        ResponseNorm(32),
        max_pool(),
        *_convolution(32, 48, 5, groups=2),
        ResponseNorm(48),
        max_pool(),
        *_convolution(48, 40, 3),
        *_convolution(40, 40, 3, groups=2),
        *_convolution(40, 32, 3, groups=2),
        nn.Flatten(),
        nn.Linear(32 * 2 * 2, 48),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(48, 48),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(48, 10),
    )


class ResponseNorm(nn.Module):
    """Local response norm over five neighbouring channels.

    The same function as `nn.LocalResponseNorm(5, alpha, 0.75)`, which is many times slower on a
    CPU: the sum over the neighbours is a 1 x 1 convolution with a banded matrix. The original
    has alpha 1e-4 for activations of order 100; here they are of order 1.
    """

    band: Tensor

    def __init__(self, channels: int, alpha: float = 1.0) -> None:
        super().__init__()
        distance = torch.arange(channels)[:, None] - torch.arange(channels)
        band = (distance.abs() <= NEIGHBOURS // 2) * (alpha / NEIGHBOURS)
        self.register_buffer("band", band[:, :, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        root = torch.rsqrt(1 + functional.conv2d(x * x, self.band))
        return x * root * root.sqrt()


def _convolution(
    inputs: int, outputs: int, kernel: int, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups), nn.ReLU()
