"""Cotangents on the logits whose pull-back has the sign of a loss's gradient."""

from __future__ import annotations

import torch
from torch import Tensor


def cross_entropy(logits: Tensor, classes: Tensor, targeted: Tensor) -> Tensor:
    """Ascent direction of the cross-entropy of ``classes``, its descent where ``targeted``; (n, k).

    The gradient softmax(z) - e_y is (1 - p_y) * (q - e_y), with q the softmax over the other
    classes. The positive factor is left out: it does not change the sign, and underflows on
    confident images.
    """
    column = classes[:, None]
    direction = logits.scatter(1, column, -torch.inf).softmax(1).scatter_(1, column, -1.0)
    return direction.mul_(1 - 2 * targeted[:, None].to(logits.dtype))


def logit(logits: Tensor, classes: Tensor, targeted: Tensor) -> Tensor:
    """Raises the target's logit, or lowers the true class's (the survey's code); (n, k)."""
    signs = 2 * targeted[:, None].to(logits.dtype) - 1
    return torch.zeros_like(logits).scatter_(1, classes[:, None], signs)


LOSSES = {"cross-entropy": cross_entropy, "logit": logit}
