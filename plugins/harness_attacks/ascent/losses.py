"""Losses that attacks climb at a fixed budget: their values, and cotangents on the logits.

A cotangent is the loss's gradient on the logits but for a positive factor of each row's own: the
steps of PGD and APGD do not depend on a gradient's length, and without the factor none underflows.
Where a logit is not finite the value is NaN, which is never the highest, and the cotangent is zero.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from harness.api import rivals


class Aim(NamedTuple):
    """What each row of a batch is to reach; (n,) each.

    Attributes:
        classes: int64, the class the goal refers to: the target, or the true class.
        targeted: bool, whether that class is a target.
        labels: int64, the true classes.
        targets: int64, the classes that targeted DLR tries at present.
    """

    classes: Tensor
    targeted: Tensor
    labels: Tensor
    targets: Tensor


class Loss(Protocol):
    def __call__(self, logits: Tensor, aim: Aim) -> tuple[Tensor, Tensor]:
        """The values (n,), which the attack raises, and the cotangents (n, classes)."""


def log_odds(logits: Tensor, aim: Aim) -> tuple[Tensor, Tensor]:
    """Cross-entropy as the log odds against the true class, or for the target.

    With p the softmax's probability of the class, log((1 - p) / p) rises exactly where the
    cross-entropy -log(p) does, and still tells points apart where p is 1 to the last bit.
    """
    column = aim.classes[:, None]
    own = logits.gather(1, column)
    others = logits.scatter(1, column, -torch.inf)
    odds = others.logsumexp(1, keepdim=True)
    sign = torch.where(aim.targeted, -1.0, 1.0)[:, None]
    # The gradient without its factor 1 - p: the softmax over the others, minus one for the class.
    cotangent = others.sub_(odds).exp_().scatter_(1, column, -1.0).mul_(sign)
    return _finite(odds.sub_(own).mul_(sign).squeeze(1), cotangent, logits)


def dlr(logits: Tensor, aim: Aim) -> tuple[Tensor, Tensor]:
    """Difference of logits ratio (Croce & Hein 2020, equation 6).

    By how much the goal is reached, over the distance of the largest logit from the third largest:
    adding to the logits or multiplying them changes nothing. A target that is the third would find
    the ratio constant, so that targeted rows have the denominator of `targeted_dlr`.
    """
    _, rival = rivals(logits, aim.classes)
    pair = torch.stack((aim.classes, rival), dim=1)
    up = torch.where(aim.targeted[:, None], pair, pair.flip(1))
    return _ratio(logits, up, aim.targeted)


def targeted_dlr(logits: Tensor, aim: Aim) -> tuple[Tensor, Tensor]:
    """Targeted DLR (Croce & Hein 2020, equation 7): the target's logit against the true class's.

    The denominator is the largest logit's distance from the mean of the third and the fourth.
    """
    pair = torch.stack((aim.targets, aim.labels), dim=1)
    return _ratio(logits, pair, torch.ones_like(aim.targeted))


def _ratio(logits: Tensor, pair: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    """The difference of the logits of ``pair`` over a width; the quotient rule times the width.

    Of three classes the second and the third take the places of the third and the fourth. Of two
    nothing but the sign would be left of a ratio: there the difference itself is the loss.

    Args:
        pair: int64 (n, 2), the class to raise and the one to lower.
        two: bool (n,), whether the width is down to the mean of two logits, not to the third alone.
    """
    difference = logits.gather(1, pair).diff(dim=1).neg_().squeeze(1)
    cotangent = torch.zeros_like(logits).scatter_(1, pair[:, :1], 1.0)
    cotangent.scatter_(1, pair[:, 1:], -1.0)
    classes = logits.shape[1]
    if classes == 2:
        return _finite(difference, cotangent, logits)
    values, places = logits.topk(min(classes, 4), dim=1)
    third = torch.where(two, 0.5, 1.0 if classes > 3 else 0.0).to(logits.dtype)
    shares = torch.stack((third, 1 - third), dim=1)
    width = values[:, 0] - (shares * values[:, -2:]).sum(1)
    value = difference / width.clamp(min=torch.finfo(width.dtype).tiny)
    cotangent.scatter_add_(1, places[:, :1], -value[:, None])
    cotangent.scatter_add_(1, places[:, -2:], shares * value[:, None])
    return _finite(value, cotangent, logits)


def _finite(value: Tensor, cotangent: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    nothing = logits.mul(0).sum(1)  # NaN where a logit is not finite, else 0
    return value + nothing, torch.where(nothing[:, None] == 0, cotangent, 0)


LOSSES: dict[str, Loss] = {"ce": log_odds, "dlr": dlr, "targeted-dlr": targeted_dlr}
