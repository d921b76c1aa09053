"""NASNet-A: searched cells of separable convolutions, fed by the two previous cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_digits.architectures.layers import average_pool, head, max_pool, strided_convolution

STEM = 16
WIDTHS = (16, 24)
NORMAL_CELLS = 1


def nasnet_large() -> nn.Module:
    """Return a small NASNet-A: two stages, each a reduction cell and a normal cell."""
    return NasNet()


class NasNet(nn.Module):
    """A strided stem, the stages and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(strided_convolution(STEM), _norm(STEM), max_pool())
        before, last = STEM, STEM
        cells: list[nn.Module] = []
        for width in WIDTHS:
            cells.append(ReductionCell(before, last, width))
            before, last = last, 4 * width
            for position in range(NORMAL_CELLS):
                cells.append(NormalCell(before, last, width, halve=position == 0))
                before, last = last, 6 * width
        self.cells = nn.ModuleList(cells)
        self.head = nn.Sequential(nn.ReLU(), *head(last))

    def forward(self, x: Tensor) -> Tensor:
        before = last = self.stem(x)
        for cell in self.cells:
            before, last = last, cell(before, last)
        logits: Tensor = self.head(last)
        return logits


class NormalCell(nn.Module):
    """Five sums of two operations, and the cell before; six times `width` channels, same size.

    `halve` says that the cell before has twice the side of the last one.
    """

    def __init__(self, before: int, last: int, width: int, halve: bool) -> None:
        super().__init__()
        self.left = FactorisedReduction(before, width) if halve else _squeeze(before, width)
        self.right = _squeeze(last, width)
        self.a5, self.a3 = _separable(width, 5), _separable(width, 3)
        self.b5, self.b3 = _separable(width, 5), _separable(width, 3)
        self.c3 = _separable(width, 3)
        self.average = average_pool()

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        left, right = self.left(before), self.right(last)
        averaged = self.average(left)
        sums = [
            self.a5(right) + self.a3(left),
            self.b5(left) + self.b3(left),
            self.average(right) + left,
            averaged + averaged,
            self.c3(right) + right,
        ]
        return torch.cat([left, *sums], dim=1)


class ReductionCell(nn.Module):
    """Four of five sums of two operations; four times `width` channels, half the side."""

    def __init__(self, before: int, last: int, width: int) -> None:
        super().__init__()
        self.left, self.right = _squeeze(before, width), _squeeze(last, width)
        self.a5, self.a7 = _separable(width, 5, stride=2), _separable(width, 7, stride=2)
        self.b7, self.c5 = _separable(width, 7, stride=2), _separable(width, 5, stride=2)
        self.d3 = _separable(width, 3)
        self.largest = max_pool()
        self.average = average_pool()
        self.average_half = average_pool(stride=2)

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        left, right = self.left(before), self.right(last)
        largest = self.largest(right)
        first = self.a5(right) + self.a7(left)
        second = largest + self.b7(left)
        third = self.average_half(right) + self.c5(left)
        fourth = self.average(first) + second
        fifth = self.d3(first) + largest
        return torch.cat([second, third, fourth, fifth], dim=1)


class FactorisedReduction(nn.Module):
    """Halve the side: half of the channels from the even pixels, the others from the odd ones."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(inputs, outputs - outputs // 2, 1, stride=2, bias=False)
        self.norm = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(x)
        halves = torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], dim=1)
        result: Tensor = self.norm(halves)
        return result


def _squeeze(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), _norm(outputs))


def _separable(width: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return ReLU, depthwise and 1 x 1 convolution, norm (the real cells have this twice)."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        _norm(width),
    )


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)
