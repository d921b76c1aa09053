"""The margin loss of Carlini & Wagner on logits, without autograd."""

from __future__ import annotations

import torch
from torch import Tensor


class Margin:
    """How far each row is from its goal.

    Attributes:
        value: (n,), by how much the goal is reached: the target's logit minus the largest other
            one, or, untargeted, the largest other one minus the true class's.
        reached: bool (n,), whether the predicted class is the goal's.
    """

    def __init__(self, logits: Tensor, classes: Tensor, targeted: Tensor) -> None:
        self._logits, self._own = logits, classes[:, None]
        others = logits.scatter(1, self._own, -torch.inf)
        largest, self._rival = others.max(1, keepdim=True)
        self._sign = targeted[:, None].to(logits.dtype).mul_(2).sub_(1)
        self.value = ((logits.gather(1, self._own) - largest) * self._sign).squeeze(1)
        self.reached = (logits.argmax(1) == classes) == targeted

    def success(self, kappa: float) -> Tensor:
        """Whether the goal is reached by ``kappa`` or more, bool (n,)."""
        return (self.value >= kappa) & self.reached

    def loss(self, kappa: float) -> Tensor:
        """f = max(-margin, -kappa), (n,)."""
        return self.value.neg().clamp_(min=-kappa)

    def cotangent(self, kappa: float, scale: Tensor) -> Tensor:
        """The gradient of scale * f on the logits, of their shape; ``scale`` is (n,)."""
        size = torch.where(self.value <= kappa, scale, 0).to(self._logits.dtype)[:, None]
        size = size * self._sign
        result = torch.zeros_like(self._logits)
        return result.scatter_(1, self._own, -size).scatter_(1, self._rival, size)
