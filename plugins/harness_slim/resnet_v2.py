"""ResNet v2 (He et al. 2016, arXiv 1603.05027) as TF-Slim has it.

The stride of a block is in its last unit, and strided convolutions have the same zeros on every
side.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from harness_slim.layers import Conv, ConvNorm, max_pool, norm

EPSILON = 1.001e-5
"""TF-Slim asks for 1e-5; TensorFlow's batch norm takes no less than this."""
_DEPTHS = (256, 512, 1024, 2048)
_norm = partial(norm, gamma=True, epsilon=EPSILON)


class Bottleneck(nn.Module):
    """Norm and relu first, then 1 x 1, 3 x 3 and 1 x 1, with a quarter of ``depth`` between."""

    def __init__(self, inputs: int, depth: int, stride: int) -> None:
        super().__init__()
        between = depth // 4
        self.stride = stride
        self.preact = _norm(inputs)
        self.shortcut = Conv(inputs, depth, 1, stride=stride) if inputs != depth else None
        self.conv1 = ConvNorm(inputs, between, 1, gamma=True, epsilon=EPSILON)
        self.conv2 = ConvNorm(
            between, between, 3, stride=stride, padding=1, gamma=True, epsilon=EPSILON
        )
        self.conv3 = Conv(between, depth, 1)

    def forward(self, images: Tensor) -> Tensor:
        active = F.relu(self.preact(images))
        if self.shortcut is not None:
            images = self.shortcut(active)
        elif self.stride > 1:
            images = max_pool(images, 1, self.stride)
        residual: Tensor = self.conv3(self.conv2(self.conv1(active)))
        return images + residual


class ResNetV2(nn.Module):
    """Images (n, 3, height, width) of 2x - 1 to logits (n, ``outputs``).

    ``units``: bottlenecks in each of the four blocks; 3, 4, 6, 3 makes 50 layers.
    """

    def __init__(self, units: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.conv1 = Conv(3, 64, 7, stride=2, padding=3)
        inputs, last = 64, len(_DEPTHS)
        for block, (depth, count) in enumerate(zip(_DEPTHS, units, strict=True), 1):
            found = nn.ModuleDict()
            for unit in range(1, count + 1):
                stride = 2 if unit == count and block < last else 1
                bottleneck = Bottleneck(inputs, depth, stride)
                found[f"unit_{unit}"] = nn.ModuleDict({"bottleneck_v2": bottleneck})
                inputs = depth
            self.add_module(f"block{block}", found)
        self.postnorm = _norm(inputs)
        self.logits = Conv(inputs, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        images = max_pool(self.conv1(images), 3, 2)
        for block in range(1, len(_DEPTHS) + 1):
            for unit in self.get_submodule(f"block{block}").children():
                images = unit.get_submodule("bottleneck_v2")(images)
        features = F.relu(self.postnorm(images)).mean((2, 3), keepdim=True)
        logits: Tensor = self.logits(features).flatten(1)
        return logits
