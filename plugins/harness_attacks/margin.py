"""The margin loss of Carlini & Wagner on logits, without autograd."""

from __future__ import annotations

import torch
from torch import Tensor


class Margin:
    """How far each row is from its goal.

    Args:
        logits: (n, classes).
        classes: int64 (n, 1), the class that the goal speaks of.
        sign: of the logits' dtype, (n, 1): 1 where the class is a target, -1 where it is the true
            one and any other will do.

    Attributes:
        value: (n,), by how much the goal is reached: the target's logit minus the largest other
            one, or, untargeted, the largest other one minus the true class's.
    """

    def __init__(self, logits: Tensor, classes: Tensor, sign: Tensor) -> None:
        self._logits, self._own, self._sign = logits, classes, sign
        largest, self._rival = logits.scatter(1, classes, -torch.inf).max(1, keepdim=True)
        self.value = logits.gather(1, classes).sub_(largest).mul_(sign).squeeze(1)

    def success(self, kappa: float) -> Tensor:
        """Whether the goal is reached by ``kappa`` or more, bool (n,); a tie is no success."""
        return self.value >= kappa if kappa else self.value > 0

    def loss(self, kappa: float) -> Tensor:
        """f = max(-margin, -kappa), (n,)."""
        return self.value.neg().clamp_(min=-kappa)

    def cotangent(self, kappa: float, scale: Tensor) -> Tensor:
        """The gradient of scale * f on the logits, of their shape; ``scale`` is (n,)."""
        size = torch.where(self.value <= kappa, scale, 0)[:, None] * self._sign
        result = torch.zeros_like(self._logits)
        return result.scatter_(1, self._rival, size).scatter_(1, self._own, size.neg_())
