"""The margin loss of Carlini & Wagner on logits, without autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import margin, reached, rivals


class Margin:
    """How far each row is from its goal.

    Args:
        logits: (n, classes).
        classes: int64 (n,), the class the goal refers to.
        targeted: bool (n,): whether that class is a target, or the true one and any other will do.

    Attributes:
        value: (n,), by how much the goal is reached; see `harness.api.margin`.
    """

    def __init__(self, logits: Tensor, classes: Tensor, targeted: Tensor) -> None:
        self._logits, self._own, self._targeted = logits, classes, targeted
        largest, self._rival = rivals(logits, classes)
        self.value = margin(logits, classes, targeted, largest=largest)

    def success(self, kappa: float) -> Tensor:
        """Whether the goal is reached by ``kappa`` or more, bool (n,); a tie is not a success."""
        return reached(self.value, kappa)

    def loss(self, kappa: float) -> Tensor:
        """f = max(-margin, -kappa), (n,)."""
        return self.value.neg().clamp_(min=-kappa)

    def cotangent(self, kappa: float, scale: Tensor) -> Tensor:
        """The gradient of scale * f on the logits, of their shape; ``scale`` is (n,)."""
        size = torch.where(self.value <= kappa, scale, 0)
        size = torch.where(self._targeted, size, -size)[:, None]
        result = torch.zeros_like(self._logits)
        result.scatter_(1, self._rival[:, None], size)
        return result.scatter_(1, self._own[:, None], size.neg_())
