"""The nearest point of a hyperplane within the box [0, 1], in linf, l2 and l1.

Croce & Hein, "Minimally distorted adversarial examples with a fast adaptive boundary attack" (2020,
arXiv 1907.02044), section 3.2 and the appendix on the projection. Each is a convex problem with one
constraint. A pixel moves in the direction that its weight's sign demands, by at most its room to
the box, and the moves together have to make up for the distance, weight by weight:
sum_i |w_i| u_i = |value|, 0 <= u_i <= room_i.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import Norm

ROUNDS = 32
"""Newton steps at most. Gradients of networks take 3 to 6; weights and bounds can be made that take
as many as there are pixels, and then the step ends short of the hyperplane."""

LEAST = 1e-20
"""A sum of weights under this is none: then the box is in the way."""


def step_to(norm: Norm, points: Tensor, normal: Tensor, value: Tensor) -> Tensor:
    """The smallest step in ``norm`` from each point to its hyperplane, without leaving [0, 1].

    Where the hyperplane misses the box, the step goes to the corner of the box nearest to it: every
    pixel with a weight to its bound.

    Args:
        norm: linf, l2 or l1.
        points: (n, values) in [0, 1].
        normal: (n, values), the weights w.
        value: (n,), the affine function w.z + b at the point: the hyperplane is where it is 0.

    Returns:
        (n, values), to be added to ``points``. Rows do not depend on each other.
    """
    weight = normal.abs()
    largest = weight.amax(1, keepdim=True).clamp_(min=torch.finfo(weight.dtype).tiny)
    weight.div_(largest)  # squares of small gradients would be lost
    demand = value.abs()[:, None] / largest
    up = (normal > 0) == (value < 0)[:, None]
    room = torch.where(up, 1 - points, points).clamp_(min=0)
    if norm is Norm.L1:
        size = _greedy(weight, room, demand)
    else:
        size = _level(weight, weight if norm is Norm.L2 else None, room, demand)
    return torch.where(weight > 0, torch.where(up, size, -size), 0)


def _level(weight: Tensor, speed: Tensor | None, room: Tensor, demand: Tensor) -> Tensor:
    """min(t * speed, room), (n, values), with the t at which its sum over the weights is enough.

    Pixels move together, in l2 by Lagrange at the speed of their weight, in linf all at 1, until
    they are at the box. The sum is concave in t and piecewise linear, so Newton's method comes from
    below and ends at a root; a GPU is not asked whether any row still moves.
    """
    rates = weight if speed is None else weight * speed
    time = demand / rates.sum(1, keepdim=True).clamp_(min=LEAST)
    for _ in range(ROUNDS):
        size = torch.minimum(time if speed is None else speed * time, room)
        rate = torch.where(size < room, rates, 0).sum(1, keepdim=True).clamp_(min=LEAST)
        lacking = demand - (weight * size).sum(1, keepdim=True)
        before, time = time, time + lacking.clamp_(min=0) / rate
        if not time.is_cuda and torch.equal(time, before):
            break
    return torch.minimum(time if speed is None else speed * time, room)


def _greedy(weight: Tensor, room: Tensor, demand: Tensor) -> Tensor:
    """The pixels of the largest weights all the way to the box, one by one, the last in part."""
    heavy, order = weight.sort(dim=1, descending=True)
    full = heavy * room.gather(1, order)
    left = demand - (full.cumsum(1) - full)
    size = torch.where(heavy > 0, left / heavy, 0).clamp_(min=0)
    return torch.minimum(torch.empty_like(size).scatter_(1, order, size), room)
