"""Layers shared by the Inceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

# The real networks split 7 x 7 on 17 x 17 pixels into a row and a column; here 5 x 5 on 4 x 4.
ROW, COLUMN = (1, 5), (5, 1)
SHORT_ROW, SHORT_COLUMN = (1, 3), (3, 1)


class ShiftNorm(nn.BatchNorm2d):
    """Batch norm with a learned shift but no learned scale, as in TF-slim's Inceptions."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3)
        del self.weight
        self.register_buffer("weight", torch.ones(channels), persistent=False)


class Branches(nn.Module):
    """Apply every branch to the same input and concatenate the results along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Module(nn.Module):
    """A 1 x 1 branch of `direct` channels (0: none), and towers that begin with a 1 x 1.

    A tower is given as the channels of its 1 x 1 and what follows. All these 1 x 1 convolutions
    read the input, so they are computed as one: the same function in less time. A pool branch is
    a tower whose pool comes after its 1 x 1 instead of before it, which is cheaper.
    """

    def __init__(self, inputs: int, direct: int, *towers: tuple[int, nn.Module]) -> None:
        super().__init__()
        steps = [(direct, nn.Identity()), *towers] if direct else towers
        self.sizes = [width for width, _ in steps]
        self.steps = nn.ModuleList(step for _, step in steps)
        self.entry = unit(inputs, sum(self.sizes), 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.entry(x).split(self.sizes, dim=1)
        return torch.cat([step(part) for step, part in zip(self.steps, parts, strict=True)], dim=1)


def unit(
    inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1
) -> nn.Sequential:
    """Return a padded convolution without bias, norm and ReLU."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (height // 2, width // 2)
    convolution = nn.Conv2d(inputs, outputs, (height, width), stride, padding, bias=False)
    return nn.Sequential(convolution, *activation(outputs))


def units(channels: Sequence[int], kernels: Sequence[int | tuple[int, int]]) -> nn.Sequential:
    """Return one unit per kernel; the i-th leads from `channels[i]` to `channels[i + 1]`."""
    pairs = zip(channels[:-1], channels[1:], kernels, strict=True)
    return nn.Sequential(*[unit(inputs, outputs, kernel) for inputs, outputs, kernel in pairs])


def activation(channels: int) -> tuple[nn.Module, nn.Module]:
    """Return a norm without scale and a ReLU."""
    return ShiftNorm(channels), nn.ReLU()
