"""When a goal is reached: the one rule of the judge and of the attacks' own steps.

Logits that are not finite reach nothing: in no class, for no goal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def rivals(logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """The largest logit except that of ``classes`` (int64 (n,)), and its class; (n,) each."""
    import torch

    largest, rival = logits.scatter(1, classes[:, None], -torch.inf).max(1)
    return largest, rival


def margin(
    logits: Tensor, classes: Tensor, targeted: Tensor, *, largest: Tensor | None = None
) -> Tensor:
    """How far the goal is reached, (n,): positive where it is, NaN where a logit is not finite.

    The target's logit minus the largest other one, or, untargeted, the largest other one minus the
    true class's.

    Args:
        logits: (n, classes).
        classes: int64 (n,), the class the goal refers to: the target, or the true one.
        targeted: bool (n,).
        largest: of `rivals`, where it is known.
    """
    import torch

    if largest is None:
        largest, _ = rivals(logits, classes)
    lead = logits.gather(1, classes[:, None]).squeeze(1) - largest
    nothing = logits.mul(0).sum(1)  # NaN where a logit is not finite, else 0
    return torch.where(targeted, lead, -lead) + nothing


def reached(margin: Tensor, kappa: float = 0.0) -> Tensor:
    """Whether ``margin`` (n,) is ``kappa`` or more, bool (n,); a tie or NaN is not a success."""
    return margin >= kappa if kappa else margin > 0


def succeeded(logits: Tensor, classes: Tensor, targeted: Tensor) -> Tensor:
    """The verdict, bool (n,): whether the predicted class is one that the goal asks for.

    Of equal logits the first is predicted. Arguments as of `margin`.
    """
    won: Tensor = ((logits.argmax(1) == classes) == targeted) & logits.isfinite().all(1)
    return won
