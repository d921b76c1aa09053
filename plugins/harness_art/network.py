"""The network that ART sees."""

from __future__ import annotations

from torch import Tensor, nn


class Float32(nn.Module):
    """``network`` for images of any type: ART's arithmetic makes float64 of float32 with numpy 2.

    Args:
        softmax: whether it returns probabilities.
    """

    def __init__(self, network: nn.Module, *, softmax: bool) -> None:
        super().__init__()
        self.network, self.softmax = network, softmax

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images.float())
        return logits.softmax(1) if self.softmax else logits
