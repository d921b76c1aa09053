"""NASNet-A (Zoph et al. 2018, arXiv 1707.07012) as TF-Slim has it, without the Aux head.

A cell takes h, what the cell before made, and p, what an earlier one made; both are brought to the
cell's width first, and p to the size of h. Batch norms have gamma.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_slim.layers import Conv, Dense, Separable, average_pool, max_pool, norm


class Op(NamedTuple):
    """What is done to one state of a cell: ``separable`` (twice), ``average``, ``max`` or nothing;
    windows are square."""

    state: int
    kind: str = "nothing"
    kernel: int = 3


class Table(NamedTuple):
    """A cell (figure 4): states 0 and 1 are h and p, each pair's sum is the next state; those from
    ``first`` on are the output. With ``stride`` 2, what is done to h and p halves their size."""

    pairs: Sequence[tuple[Op, Op]]
    first: int
    stride: int


NORMAL = Table(
    [
        (Op(0, "separable", 5), Op(1, "separable", 3)),
        (Op(1, "separable", 5), Op(1, "separable", 3)),
        (Op(0, "average"), Op(1)),
        (Op(1, "average"), Op(1, "average")),
        (Op(0, "separable", 3), Op(0)),
    ],
    first=1,
    stride=1,
)
REDUCTION = Table(
    [
        (Op(0, "separable", 5), Op(1, "separable", 7)),
        (Op(0, "max"), Op(1, "separable", 7)),
        (Op(0, "average"), Op(1, "separable", 5)),
        (Op(3), Op(2, "average")),
        (Op(2, "separable", 3), Op(0, "max")),
    ],
    first=3,
    stride=2,
)
_STEM = 96


def nasnet_large(outputs: int) -> NASNet:
    """For 331 x 331; 88.8 million parameters with 1,001 outputs."""
    return NASNet(outputs, width=168, repeats=6)


class NASNet(nn.Module):
    """Images (n, 3, height, width) of 2x - 1 to logits (n, ``outputs``).

    Two reductions to a quarter and half of ``width``; then three times ``repeats`` normal cells,
    with a reduction between that doubles the width.
    """

    def __init__(self, outputs: int, *, width: int, repeats: int) -> None:
        super().__init__()
        self.conv0 = Conv(3, _STEM, 3, stride=2, padding="VALID", bias=False)
        self.conv0_bn = norm(_STEM, gamma=True)
        self.plan: list[tuple[str, int]] = []  # each cell, and how far before h its p is
        made = [(_STEM, 0)]  # channels, and how often halved
        for scope, table, wide, back in _cells(width, repeats):
            (channels, halved), (before, less) = made[-1], made[-1 - back]
            fit = "none" if back == 0 else "shrink" if less < halved else "width"
            self.add_module(scope, Cell(channels, before, wide, table, fit=fit))
            self.plan.append((scope, back))
            states = 2 + len(table.pairs) - table.first
            made.append((wide * states, halved + table.stride - 1))
        self.final_layer = nn.ModuleDict({"FC": Dense(made[-1][0], outputs)})

    def forward(self, images: Tensor) -> Tensor:
        made = [self.conv0_bn(self.conv0(images))]
        for scope, back in self.plan:
            made = [*made[-2:], self.get_submodule(scope)(made[-1], made[-1 - back])]
        logits: Tensor = self.final_layer["FC"](F.relu(made[-1]).mean((2, 3)))
        return logits


def _cells(width: int, repeats: int) -> list[tuple[str, Table, int, int]]:
    """Scope, table, width, and how far before h its p is; the first cell has h for p."""
    found = [("cell_stem_0", REDUCTION, width // 4, 0), ("cell_stem_1", REDUCTION, width // 2, 1)]
    for group in range(3):
        wide = width << group
        if group:
            found.append((f"reduction_cell_{group - 1}", REDUCTION, wide, 1))
        for number in range(repeats):
            # The cell behind a reduction looks past what the reduction took.
            back = 2 if group and number == 0 else 1
            found.append((f"cell_{group * repeats + number}", NORMAL, wide, back))
    return found


class Cell(nn.Module):
    """h (n, ``inputs``, ...) and p (n, ``before``, ...) to (n, a multiple of ``width``, ...).

    ``fit``: what p needs to be like h: ``width`` alone, to ``shrink`` too, or ``none``.
    """

    def __init__(self, inputs: int, before: int, width: int, table: Table, *, fit: str) -> None:
        super().__init__()
        self.table, self.fit = table, fit
        self.add_module("1x1", Conv(inputs, width, 1, bias=False))
        self.beginning_bn = norm(width, gamma=True)
        if fit == "width":
            self.prev_1x1 = Conv(before, width, 1, bias=False)
            self.prev_bn = norm(width, gamma=True)
        elif fit == "shrink":
            self.path1_conv = Conv(before, width // 2, 1, bias=False)
            self.path2_conv = Conv(before, width // 2, 1, bias=False)
            self.final_path_bn = norm(width, gamma=True)
        channels = (width, before if fit == "none" else width)
        for number, (left, right) in enumerate(table.pairs):
            sides = nn.ModuleDict()
            for side, op in (("left", left), ("right", right)):
                given = channels[op.state] if op.state < len(channels) else width
                sides[side] = Applied(op, given, width, _stride(table, op))
            self.add_module(f"comb_iter_{number}", sides)

    def forward(self, h: Tensor, p: Tensor) -> Tensor:
        states = [self.beginning_bn(self.get_submodule("1x1")(F.relu(h))), self._fitted(p)]
        for number, (left, right) in enumerate(self.table.pairs):
            place = f"comb_iter_{number}"
            added = self.get_submodule(f"{place}.left")(states[left.state])
            states.append(added + self.get_submodule(f"{place}.right")(states[right.state]))
        return torch.cat(states[self.table.first :], 1)

    def _fitted(self, p: Tensor) -> Tensor:
        if self.fit == "none":
            return p
        p = F.relu(p)
        if self.fit == "width":
            found: Tensor = self.prev_bn(self.prev_1x1(p))
            return found
        # Two grids of pixels, the second one row and column on, where zeros are beyond the edge.
        beyond = F.pad(p, (0, 1, 0, 1))
        halves = [self.path1_conv(p[:, :, ::2, ::2]), self.path2_conv(beyond[:, :, 1::2, 1::2])]
        shrunk: Tensor = self.final_path_bn(torch.cat(halves, 1))
        return shrunk


class Applied(nn.Module):
    """An `Op`; a separable convolution is relu, convolution, batch norm, and all of it again."""

    def __init__(self, op: Op, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.op, self.stride = op, stride
        if op.kind != "separable":
            return
        kernel = op.kernel
        for number in (1, 2):
            layer = Separable(inputs, width, kernel, stride=stride, bias=False)
            self.add_module(f"separable_{kernel}x{kernel}_{number}", layer)
            self.add_module(f"bn_sep_{kernel}x{kernel}_{number}", norm(width, gamma=True))
            inputs, stride = width, 1

    def forward(self, state: Tensor) -> Tensor:
        if self.op.kind == "average":
            return average_pool(state, self.op.kernel, self.stride)
        if self.op.kind == "max":
            return max_pool(state, self.op.kernel, self.stride)
        layers = list(self.children())
        for separable, batch_norm in zip(layers[::2], layers[1::2], strict=True):
            state = batch_norm(separable(F.relu(state)))
        return state


def _stride(table: Table, op: Op) -> int:
    return table.stride if op.state in (0, 1) else 1
