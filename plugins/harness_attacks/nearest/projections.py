"""Euclidean projections of rows onto simplex, l1 ball and l0 ball, each with a size of its own.

Source: Duchi et al. 2008, "Efficient projections onto the l1-ball for learning in high dimensions",
sections 3 and 4. Their threshold is the root of a convex, piecewise linear function; it is found by
Newton's method instead of by sorting: no shape depends on data, and few passes over memory do.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 32
"""Newton steps at most. Noise of any distribution takes about 10; rows can be made that take as
many as they have values, and end this many steps on the way, outside the ball."""

ROUNDING = 1e-6
"""What is left over by less than this share is rounding. A row that is done so stays as it is,
however long others go on."""


def simplex(rows: Tensor, total: Tensor) -> Tensor:
    """The nearest rows with values of at least 0 that sum to ``total``.

    Args:
        rows: (n, values).
        total: (n,), at least 0.
    """
    return (rows - threshold(rows, total)[:, None]).clamp_(min=0)


def l1_ball(rows: Tensor, radius: Tensor) -> Tensor:
    """The nearest rows whose l1 norm is at most ``radius``, (n,), at least 0."""
    sizes = rows.abs()
    cut = threshold(sizes, torch.minimum(radius, sizes.sum(1)))
    return sizes.sub_(cut.clamp_(min=0)[:, None]).clamp_(min=0).copysign_(rows)


def keep_largest(rows: Tensor, count: Tensor) -> Tensor:
    """The nearest rows with ``count`` (n,) values other than 0; those equal to the last one stay.

    ``count`` is whole and at most the number of values.
    """
    sizes = rows.abs()
    cut = _cut_by_bits(sizes, count) if rows.is_cuda else _cut_by_order(sizes, count)
    return torch.where(sizes >= cut[:, None], rows, 0)


def _cut_by_order(sizes: Tensor, count: Tensor) -> Tensor:
    """The size that ``count`` of the ``sizes`` reach, (n,); inf where the count is 0."""
    largest = sizes.topk(max(1, int(count.max())), dim=1).values
    cut = largest.gather(1, (count.long() - 1).clamp_(min=0)[:, None]).squeeze(1)
    return torch.where(count > 0, cut, torch.inf)


def _cut_by_bits(sizes: Tensor, count: Tensor) -> Tensor:
    """The same, bisected over the bits of float32, whose order is that of the numbers.

    The host need not know the largest count.
    """
    bits = sizes.view(torch.int32)
    low, high = torch.zeros_like(count, dtype=torch.int32), bits.amax(1) + 1
    for _ in range(32):  # `count` values reach `low`, and fewer reach `high`
        middle = low + (high - low) // 2
        enough = (bits >= middle[:, None]).sum(1) >= count
        low, high = torch.where(enough, middle, low), torch.where(enough, high, middle)
    return torch.where(count > 0, low.view(torch.float32), torch.inf)


def threshold(rows: Tensor, total: Tensor) -> Tensor:
    """The t of each row, (n,), for which the sum of max(row - t, 0) is ``total`` (n,).

    The sum falls in t and is convex, so Newton's method comes from below and never passes t. A GPU
    is not asked whether any row still moves.
    """
    found = torch.maximum(rows.amax(1) - total, (rows.sum(1) - total) / rows.shape[1])
    above = torch.empty_like(rows)
    for _ in range(ROUNDS):
        before = found
        torch.sub(rows, found[:, None], out=above).clamp_(min=0)
        excess = above.sum(1).sub_(total)
        count = above.sign_().sum(1).clamp_(min=1)  # several times faster than `count_nonzero`
        excess = torch.where(excess > ROUNDING * total, excess, 0)
        found = found + excess.div_(count)
        if not found.is_cuda and torch.equal(found, before):
            break
    return found
