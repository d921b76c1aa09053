"""The margin loss of Carlini & Wagner on logits, without autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import margin, reached, rivals

TINY = 1e-30


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

    def ascent(self) -> Tensor:
        """The gradient of `value` on the logits, of their shape."""
        size = torch.where(self._targeted, 1.0, -1.0).to(self._logits.dtype)[:, None]
        result = torch.zeros_like(self._logits)
        result.scatter_(1, self._rival[:, None], -size)
        return result.scatter_(1, self._own[:, None], size)

    def soft_ascent(self, softness: float) -> Tensor:
        """`ascent`, but that untargeted rows raise a softmax of their rivals, not the largest one.

        Its temperature is ``softness`` times the distance of the margin from 0: rivals far from the
        leader count while the boundary is far, and the scale of logits does not matter.
        """
        rivals = self._logits.scatter(1, self._own[:, None], -torch.inf)
        heat = (softness * self.value.abs()).clamp_(min=TINY)[:, None]
        shares = rivals.sub_(rivals.gather(1, self._rival[:, None])).div_(heat).softmax(1)
        soft = shares.scatter_(1, self._own[:, None], -1.0)
        return torch.where(self._targeted[:, None], self.ascent(), soft)
