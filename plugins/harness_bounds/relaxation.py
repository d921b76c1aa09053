"""Linear relaxation: a network's outputs bounded by linear functions of the image, from the back.

CROWN (Zhang et al. 2018, arXiv 1811.00866): where a ReLU or a maximum is not linear on a region,
two lines bound it. Ranges of what they take come from interval arithmetic, or the same method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from harness_bounds import response
from harness_bounds.region import Range, Region
from harness_bounds.steps import Affine, Maximum, Ramp, Response, Step, Steps

CHUNK = 256
"""Rows that are carried through a network at a time."""


def ranges(steps: Steps, region: Region, *, refine: bool) -> dict[str, Range]:
    """The range of every value on the region.

    Args:
        refine: relax what ReLUs and norms take too, instead of taking intervals; much slower, and
            tighter.
    """
    found = {steps.image: region.range}
    for place, step in enumerate(steps.steps):
        if refine and isinstance(step, Ramp | Response):
            (name,) = step.inputs
            before = Steps(steps.image, steps.steps[:place])
            found[name] = _refined(before, name, step, found, region)
        found[step.name] = _forward(step, [found[name] for name in step.inputs])
    return found


def lowest(
    steps: Steps, last: str, rows: Tensor, found: Mapping[str, Range], region: Region
) -> Tensor:
    """A lower bound on the region of each row's product with the value ``last``.

    Args:
        rows: (n, *shape of the value).
        found: the `ranges`.
    """
    left, constant = {last: rows}, rows.new_zeros(len(rows))
    for step in reversed(steps.steps):
        if (mine := left.pop(step.name, None)) is None:
            continue
        inputs = [found[name] for name in step.inputs]
        parts, more = _BACK[type(step)](step, mine, inputs)
        constant += more
        for name, part in zip(step.inputs, parts, strict=True):
            left[name] = left[name] + part if name in left else part
    return constant + (region.lowest(left[steps.image]) if steps.image in left else 0)


def _forward(step: Step, inputs: Sequence[Range]) -> Range:
    if isinstance(step, Affine):
        middle = step.of(*[(lower + upper) / 2 for lower, upper in inputs])
        radius = step.magnitude(*[(upper - lower) / 2 for lower, upper in inputs])
        return Range(middle - radius, middle + radius)
    lower, upper = inputs[0]
    if isinstance(step, Response):
        return response.range_of(step, inputs[0])
    if isinstance(step, Ramp):
        return Range(lower.clamp(step.low, step.high), upper.clamp(step.low, step.high))
    return Range(step.of(lower), step.of(upper))


def _refined(
    before: Steps, name: str, step: Ramp | Response, found: Mapping[str, Range], region: Region
) -> Range:
    """The range of a step's input, relaxed where the step is not known to be affine."""
    lower, upper = (each.clone() for each in found[name])
    low, high = lower.view(-1), upper.view(-1)
    for places in _bent(step, low, high).nonzero().view(-1).split(CHUNK):
        rows = lower.new_zeros(len(places), lower.numel())
        rows[torch.arange(len(places)), places] = 1
        rows = rows.view(-1, *lower.shape)
        low[places] = low[places].maximum(lowest(before, name, rows, found, region))
        high[places] = high[places].minimum(-lowest(before, name, -rows, found, region))
    return Range(lower, upper)


def _bent(step: Ramp | Response, lower: Tensor, upper: Tensor) -> Tensor:
    """Where a step is not affine between the bounds."""
    if isinstance(step, Response):
        return lower < upper
    at_low = (lower < step.low) & (upper > step.low)
    return at_low | ((lower < step.high) & (upper > step.high))


def _through_affine(
    step: Affine, rows: Tensor, inputs: Sequence[Range]
) -> tuple[tuple[Tensor, ...], Tensor]:
    constant, pull = torch.func.vjp(step.of, *[torch.zeros_like(each.lower) for each in inputs])
    return torch.vmap(pull)(rows), (rows * constant).flatten(1).sum(1)


def _through_ramp(
    step: Ramp, rows: Tensor, inputs: Sequence[Range]
) -> tuple[tuple[Tensor, ...], Tensor]:
    (below, under), (above, over) = lines(inputs[0], step.low, step.high)
    up, down = rows.clamp(min=0), rows.clamp(max=0)
    return (up * below + down * above,), (up * under + down * over).flatten(1).sum(1)


def lines(
    between: Range, low: float, high: float
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Lines (slope, shift) below and above min(max(x, low), high) for x in a range."""
    lower, upper = between
    start, end = lower.clamp(low, high), upper.clamp(low, high)
    last = upper.clamp(max=high).maximum(lower)
    first = lower.clamp(min=low).minimum(upper)
    bent_below, bent_above = lower < low, upper > high
    # Above: a chord, unless it bends at high alone; then any line through that corner.
    chord = _slope(end - start, last - lower)
    free_above = (high - lower > upper - high).to(lower)
    above = torch.where(bent_below | ~bent_above, chord, free_above)
    above = torch.where(lower >= high, 0.0, above)
    over = torch.where(bent_below | ~bent_above, start - above * lower, high * (1 - above))
    over = torch.where(lower >= high, start, over)
    # Below: a chord, unless it bends at low alone.
    rise = _slope(end - start, upper - first)
    free_below = (upper - low > low - lower).to(lower)
    below = torch.where(bent_above | ~bent_below, rise, free_below)
    below = torch.where(upper <= low, 0.0, below)
    under = torch.where(bent_above | ~bent_below, end - below * upper, low * (1 - below))
    under = torch.where(upper <= low, end, under)
    return (below, under), (above, over)


def _slope(rise: Tensor, run: Tensor) -> Tensor:
    return torch.where(run > 0, rise / run.clamp(min=torch.finfo(run.dtype).tiny), 0.0)


def _through_maximum(
    step: Maximum, rows: Tensor, inputs: Sequence[Range]
) -> tuple[tuple[Tensor, ...], Tensor]:
    """A maximum is at least the entry that is surely largest, and at most the largest one."""
    lower, upper = inputs[0]
    _, pull = torch.func.vjp(step.of, lower)
    up, down = rows.clamp(min=0), rows.clamp(max=0)
    return torch.vmap(pull)(up), (down * step.of(upper)).flatten(1).sum(1)


def _through_response(
    step: Response, rows: Tensor, inputs: Sequence[Range]
) -> tuple[tuple[Tensor, ...], Tensor]:
    found, constant = response.through(step, rows, inputs[0])
    return (found,), constant


_BACK = {
    Affine: _through_affine,
    Ramp: _through_ramp,
    Maximum: _through_maximum,
    Response: _through_response,
}
