"""Bounds of local response norm: lines around it on a range, and how much it changes at most."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.api import ModelError
from harness_bounds.region import Norm, Range
from harness_bounds.steps import Response


def range_of(step: Response, between: Range) -> Range:
    """Of its values, where its input's are ``between``."""
    lower, upper = between
    least, most = _factor(step, _sums(step, between))
    return Range(
        lower * torch.where(lower < 0, most, least), upper * torch.where(upper < 0, least, most)
    )


def through(step: Response, rows: Tensor, between: Range) -> tuple[Tensor, Tensor]:
    """Linear functions of the input below each row's product with the values.

    Args:
        rows: (n, *shape of the values).

    Returns:
        Their coefficients, (n, *shape of the input), and constants, (n,).
    """
    sums = _sums(step, between)
    factor = _factor(step, sums)
    middle, radius = _ball(between)
    share, spread = _ball(factor)
    # x d = share x + middle d - middle share + (x - middle)(d - share), the last within the radii.
    constant = -_inner(rows, middle * share) - _inner(rows.abs(), radius * spread)
    found, on_factor = rows * share, rows * middle
    # A convex function is above its tangent and below its chord.
    tangent, chord = _tangent(step.power, sums), _chord(factor, sums)
    up, down = on_factor.clamp(min=0), on_factor.clamp(max=0)
    constant += _inner(up, tangent[1]) + _inner(down, chord[1])
    on_sums = up * tangent[0] + down * chord[0]
    shift, pull = torch.func.vjp(step.sums.of, torch.zeros_like(middle))
    (on_squares,) = torch.vmap(pull)(on_sums)
    constant += _inner(on_sums, shift)
    # Squares: the tangent at the middle, 2 m x - m^2, and the chord, 2 m x - l u, are parallel.
    up, down = on_squares.clamp(min=0), on_squares.clamp(max=0)
    constant -= _inner(up, middle**2) + _inner(down, between.lower * between.upper)
    return found + on_squares * (2 * middle), constant


def operator_norm(step: Response, like: Tensor, norm: Norm) -> float:
    """A bound of its Jacobian's norm, from and to ``norm``, everywhere.

    With y_i = x_i s_i^-b and s = k + A x^2: |dy_i/dx_i| <= k_i^-b max(1, 2b - 1); and elsewhere
    |dy_i/dx_j| = 2b A_ij |x_i x_j| s_i^(-b-1) <= b sqrt(A_ij / A_ii) (s_i - k_i) s_i^(-b-1), which
    is largest at s_i = k_i (b + 1) / b.

    Args:
        like: any value of the input, (1, channels, ...).

    Raises:
        ModelError: a sum is over positions, or lacks the value itself: no constant is known.
    """
    if _mixed(step, like):
        raise ModelError("no Lipschitz constant is known of a response norm across positions")
    power = -step.power
    scale = step.sums.of(torch.zeros_like(like)) ** -power
    own = torch.cat([_column(step, like, each)[:, each] for each in range(like.shape[1])])[None]
    if not (own > 0).all():
        raise ModelError("no Lipschitz constant is known of a response norm of other values alone")
    peak = (power / (power + 1)) ** (power + 1)
    across, along = torch.zeros_like(like), torch.zeros_like(like)
    for each in range(like.shape[1]):
        entries = peak * (_column(step, like, each) / own).sqrt()
        entries[:, each] = max(1.0, 2 * power - 1)
        entries *= scale
        across += entries
        along[:, each] = entries.sum(1)
    rows, columns = float(across.max()), float(along.max())
    return {"linf": rows, "l1": columns, "l2": math.sqrt(rows * columns)}[norm]


def _column(step: Response, like: Tensor, channel: int) -> Tensor:
    """A of one input channel at each position, as long as no position sees another."""
    one = torch.zeros_like(like)
    one[:, channel] = 1
    return step.sums.magnitude(one)


def _mixed(step: Response, like: Tensor) -> bool:
    """Whether a sum is over several positions: then those differ in some binary digit."""
    places = torch.arange(like[0, 0].numel()).view(like.shape[2:])
    for digit in range(places.numel().bit_length()):
        for side in ((places >> digit) % 2 == 0, (places >> digit) % 2 == 1):
            if (step.sums.magnitude(torch.ones_like(like) * side) * ~side).any():
                return True
    return False


def _sums(step: Response, between: Range) -> Range:
    """The range of what is raised to the power; it grows with every square."""
    lower, upper = (each**2 for each in between)
    crossing = (between.lower < 0) & (between.upper > 0)
    least = torch.where(crossing, 0.0, lower.minimum(upper))
    return Range(step.sums.of(least), step.sums.of(lower.maximum(upper)))


def _factor(step: Response, sums: Range) -> Range:
    return Range(sums.upper**step.power, sums.lower**step.power)


def _ball(between: Range) -> tuple[Tensor, Tensor]:
    return (between.lower + between.upper) / 2, (between.upper - between.lower) / 2


def _tangent(power: float, sums: Range) -> tuple[Tensor, Tensor]:
    """Slope and shift of the power's tangent, at the geometric mean."""
    place = (sums.lower * sums.upper).sqrt()
    slope = power * place ** (power - 1)
    return slope, place**power - slope * place


def _chord(factor: Range, sums: Range) -> tuple[Tensor, Tensor]:
    """Slope and shift of the line through a falling function's ends."""
    run = sums.upper - sums.lower
    slope = torch.where(run > 0, (factor.lower - factor.upper) / run.clamp(min=1e-300), 0.0)
    return slope, factor.upper - slope * sums.lower


def _inner(rows: Tensor, values: Tensor) -> Tensor:
    return (rows * values).flatten(1).sum(1)
