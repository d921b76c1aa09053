"""The Inceptions as data: steps under TF-Slim's scopes, and the modules that steps become.

A network is a sequence of steps. `Conv`, `Separable` and `Pool` are layers; `Mixed` and `Residual`
have branches, each a sequence of steps again; `Fork` is convolutions of the same input, and
`Repeat` steps under a scope of their own. A step's `build` takes the number of channels that come
in; it gives the module and the number that come out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_slim import layers
from harness_slim.layers import Named, Padding, Sides


class Step(Protocol):
    """One of the classes below."""

    @property
    def scope(self) -> str: ...

    def build(self, inputs: int) -> tuple[nn.Module, int]: ...


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution, batch norm without gamma, relu."""

    scope: str
    width: int
    kernel: Sides
    stride: int = 1
    padding: Padding = "SAME"

    def build(self, inputs: int) -> tuple[nn.Module, int]:
        made = layers.ConvNorm(
            inputs, self.width, self.kernel, stride=self.stride, padding=self.padding
        )
        return made, self.width


@dataclass(frozen=True, slots=True)
class Separable:
    """A depthwise and a pointwise convolution with biases, relu; no batch norm."""

    scope: str
    width: int
    kernel: int
    stride: int
    multiplier: int

    def build(self, inputs: int) -> tuple[nn.Module, int]:
        return _SeparableRelu(
            inputs, self.width, self.kernel, stride=self.stride, multiplier=self.multiplier
        ), self.width


@dataclass(frozen=True, slots=True)
class Pool:
    """The largest values, or the means where the scope says AvgPool."""

    scope: str
    kernel: int = 3
    stride: int = 1
    padding: Named = "SAME"

    def build(self, inputs: int) -> tuple[nn.Module, int]:
        return _Pooled(self), inputs


@dataclass(frozen=True, slots=True)
class Fork:
    """Convolutions side by side: all take what came before, their channels are joined."""

    convs: tuple[Conv, ...]


Branch = Sequence[Step | Fork]


@dataclass(frozen=True, slots=True)
class Mixed:
    """Branches of the same input, their channels joined."""

    scope: str
    branches: Sequence[Branch]

    def build(self, inputs: int) -> tuple[nn.Module, int]:
        made = Branches(inputs, self.branches)
        return made, made.width


@dataclass(frozen=True, slots=True)
class Residual:
    """The input plus ``scale`` times what branches add to it; then relu, but for the last one."""

    scope: str
    branches: Sequence[Branch]
    scale: float
    relu: bool = True

    def build(self, inputs: int) -> tuple[nn.Module, int]:
        return _Added(inputs, self), inputs


@dataclass(frozen=True, slots=True)
class Repeat:
    """Steps one after another under a scope of their own."""

    scope: str
    steps: Sequence[Step]

    def build(self, inputs: int) -> tuple[nn.Module, int]:
        made = Chain(inputs, self.steps)
        return made, made.width


class Chain(nn.Module):
    """Steps one after another; ``width`` channels come out."""

    def __init__(self, inputs: int, steps: Branch) -> None:
        super().__init__()
        self.order: list[list[str]] = []
        self.width = inputs
        for step in steps:
            beside: Sequence[Step] = step.convs if isinstance(step, Fork) else [step]
            inputs, self.width = self.width, 0
            for each in beside:
                module, outputs = each.build(inputs)
                self.add_module(each.scope, module)
                self.width += outputs
            self.order.append([each.scope for each in beside])

    def forward(self, images: Tensor) -> Tensor:
        for scopes in self.order:
            found = [self.get_submodule(scope)(images) for scope in scopes]
            images = torch.cat(found, 1) if len(found) > 1 else found[0]
        return images


class Branches(nn.Module):
    """``Branch_0``, ``Branch_1``, ... of the same input, their channels joined."""

    def __init__(self, inputs: int, branches: Sequence[Branch]) -> None:
        super().__init__()
        self.width = 0
        self.names = [f"Branch_{number}" for number in range(len(branches))]
        for name, steps in zip(self.names, branches, strict=True):
            branch = Chain(inputs, steps)
            self.add_module(name, branch)
            self.width += branch.width

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.get_submodule(name)(images) for name in self.names], 1)


class Inception(Chain):
    """Images (n, 3, height, width) of 2x - 1 to logits (n, ``outputs``).

    The last features are averaged over all of their places, whatever the images' size; ``head`` is
    the scope of what makes logits of them, below ``Logits``.
    """

    def __init__(self, steps: Branch, head: str, outputs: int) -> None:
        super().__init__(3, steps)
        self.head = f"Logits.{head}"
        self.Logits = nn.ModuleDict({head: layers.Dense(self.width, outputs)})

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.get_submodule(self.head)(super().forward(images).mean((2, 3)))
        return logits


class _SeparableRelu(layers.Separable):
    def forward(self, images: Tensor) -> Tensor:
        return F.relu(super().forward(images))


class _Pooled(nn.Module):
    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        self.function = layers.max_pool if pool.scope.startswith("Max") else layers.average_pool

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images, self.pool.kernel, self.pool.stride, self.pool.padding)


class _Added(Branches):
    def __init__(self, inputs: int, block: Residual) -> None:
        super().__init__(inputs, block.branches)
        self.block = block
        self.Conv2d_1x1 = layers.Conv(self.width, inputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        images = images + self.block.scale * self.Conv2d_1x1(super().forward(images))
        return F.relu(images) if self.block.relu else images
