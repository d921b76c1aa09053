"""The nearest point in the l1 ball and the box at once (Croce & Hein 2021, proposition 2.1)."""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 64
"""Steps of the search for the threshold at most; about 8 are needed."""
ROUNDING = 4e-7
"""Of the radius and the threshold: where the sum is so near, float32's own errors are left."""


def project(points: Tensor, centre: Tensor, radius: Tensor) -> Tensor:
    """The nearest points to ``points`` with |x - centre|_1 <= radius and 0 <= x <= 1.

    With r the room that a value has towards its side of the box, the offset from the centre of
    size a becomes min(max(a - t, 0), r), where t is 0 or makes their sum the radius. That sum falls
    in t and is piecewise linear: Newton's steps find its root exactly, and where one leaves what
    is known to hold the root, halving that takes its place.

    Args:
        points, centre: (n, values); the centre lies in the box.
        radius: (n, 1), more than 0.
    """
    offset = points - centre
    size = offset.abs()
    room = torch.where(offset > 0, 1 - centre, centre)
    low, high = torch.zeros_like(radius), size.amax(1, keepdim=True)
    cut = low
    for _ in range(ROUNDS):
        kept = size - cut
        moving = ((kept > 0) & (kept < room)).sum(1, keepdim=True)
        total = torch.minimum(kept.clamp_(min=0), room, out=kept).sum(1, keepdim=True)
        excess = total - radius
        low, high = torch.where(excess > 0, cut, low), torch.where(excess > 0, high, cut)
        step = cut + excess / moving  # not finite where nothing moves
        step = torch.where((step >= low) & (step <= high), step, (low + high) / 2)
        near = excess.abs() <= ROUNDING * (radius + moving * cut)
        before, cut = cut, torch.where(near, cut, step)
        if not cut.is_cuda and torch.equal(cut, before):
            break
    shrink = (radius / total).clamp_(max=1)
    return kept.mul_(shrink).copysign_(offset).add_(centre).clamp_(0, 1)
