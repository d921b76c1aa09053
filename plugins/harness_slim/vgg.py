"""VGG (Simonyan and Zisserman 2014, arXiv 1409.1556) as TF-Slim has it: all convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from harness_slim.layers import Conv, max_pool

_WIDTHS = (64, 128, 256, 512, 512)
_DENSE = 4096


class VGG(nn.Module):
    """Images (n, 3, height, width), in bytes less the channels' means, to logits (n, outputs).

    ``counts``: convolutions in each of the five blocks; 2, 2, 3, 3, 3 makes 16 layers. The dense
    layers are convolutions (the first one 7 x 7); larger images than 224 give the logits' mean.
    """

    def __init__(self, counts: Sequence[int], outputs: int) -> None:
        super().__init__()
        inputs = 3
        for block, (width, count) in enumerate(zip(_WIDTHS, counts, strict=True), 1):
            layers = nn.ModuleDict()
            for index in range(1, count + 1):
                layers[f"conv{block}_{index}"] = Conv(inputs, width, 3)
                inputs = width
            self.add_module(f"conv{block}", layers)
        self.blocks = len(_WIDTHS)
        self.fc6 = Conv(inputs, _DENSE, 7, padding="VALID")
        self.fc7 = Conv(_DENSE, _DENSE, 1)
        self.fc8 = Conv(_DENSE, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        for block in range(1, self.blocks + 1):
            layers = self.get_submodule(f"conv{block}")
            for layer in layers.children():
                images = F.relu(layer(images))
            images = max_pool(images, 2, 2, "VALID")
        images = F.relu(self.fc7(F.relu(self.fc6(images))))
        logits: Tensor = self.fc8(images).mean((2, 3))
        return logits
