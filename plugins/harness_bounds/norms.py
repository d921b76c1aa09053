"""How much a network can change at most: a product of its steps' operator norms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness_bounds.region import Norm, dual
from harness_bounds.response import operator_norm
from harness_bounds.steps import Affine, Maximum, Response, Step, Steps

DENSE = 2**20
"""Coefficients of a map whose spectral norm is computed, not bounded."""


@dataclass(frozen=True, slots=True)
class Constants:
    """Lipschitz constants of a network's logits, in one norm of the image.

    Attributes:
        features: of the values behind which everything is affine.
        rows: of each class, the coefficients of its logit on them, (classes, ...).
    """

    norm: Norm
    features: float
    rows: Tensor

    def of(self, one: int, other: int) -> float:
        """Of the difference of two classes' logits."""
        difference = (self.rows[one] - self.rows[other])[None]
        return self.features * float(dual(difference, self.norm))


def constants(steps: Steps, shape: Sequence[int], norm: Norm) -> Constants:
    """See `Constants`.

    Args:
        shape: of the input, (1, channels, height, width).
    """
    of = {steps.image: 1.0}
    sizes = {steps.image: torch.ones(tuple(shape), dtype=torch.float64)}
    for step in steps.steps:
        inputs = [torch.ones_like(sizes[name]) for name in step.inputs]
        sizes[step.name] = _value(step, inputs)
        of[step.name] = _constant(step, inputs, [of[name] for name in step.inputs], norm)
    name = steps.steps[-1].name
    rows = torch.eye(sizes[name].numel(), dtype=torch.float64).view(-1, *sizes[name].shape)
    for step in reversed(steps.steps):
        if step.name != name or not isinstance(step, Affine) or len(step.inputs) > 1:
            break
        if step is not steps.steps[-1] and steps.users(name) > 1:
            break
        rows, (name,) = _pulled(step, rows, sizes), step.inputs
    return Constants(norm, of[name], rows)


def _value(step: Step, inputs: Sequence[Tensor]) -> Tensor:
    if isinstance(step, Affine):
        return step.magnitude(*inputs)
    return step.of(inputs[0]) if isinstance(step, Maximum) else inputs[0]


def _pulled(step: Affine, rows: Tensor, sizes: dict[str, Tensor]) -> Tensor:
    (name,) = step.inputs
    _, pull = torch.func.vjp(step.of, torch.zeros_like(sizes[name]))
    (found,) = torch.vmap(pull)(rows)
    return found


def _constant(step: Step, ones: Sequence[Tensor], before: Sequence[float], norm: Norm) -> float:
    """Of a step's values, where ``before`` are its inputs'."""
    if isinstance(step, Maximum):
        often = {"l1": step.overlap, "l2": math.sqrt(step.overlap), "linf": 1.0}[norm]
        return often * before[0]
    if isinstance(step, Response):
        return operator_norm(step, ones[0], norm) * before[0]
    if not isinstance(step, Affine):
        return before[0]
    parts = [_operator_norm(step, place, ones, norm) * of for place, of in enumerate(before)]
    if norm == "l1" or len(parts) == 1 or not _apart(step, ones):
        return sum(parts)
    return max(parts) if norm == "linf" else math.hypot(*parts)


def _apart(step: Affine, ones: Sequence[Tensor]) -> bool:
    """Whether each value depends on one input alone, as in a concatenation."""
    taken = sum((_alone(step, place, ones)(one) > 0).long() for place, one in enumerate(ones))
    return bool((torch.as_tensor(taken) <= 1).all())


def _operator_norm(step: Affine, place: int, ones: Sequence[Tensor], norm: Norm) -> float:
    """Of the map of one input, from and to ``norm``: exact in l1 and linf.

    In l2 exact for small maps, else the geometric mean of those two, which bounds it.
    """
    one, size = ones[place], _alone(step, place, ones)
    row_sums, pull = torch.func.vjp(size, one)
    (column_sums,) = pull(torch.ones_like(row_sums))
    across, along = float(row_sums.max()), float(column_sums.max())
    if norm != "l2":
        return across if norm == "linf" else along
    bound = math.sqrt(across * along)
    if one.numel() * row_sums.numel() > DENSE or bound == 0:
        return bound
    matrix = _matrix(step, place, ones, row_sums)
    return min(bound, float(torch.linalg.matrix_norm(matrix, ord=2)))


def _matrix(step: Affine, place: int, ones: Sequence[Tensor], like: Tensor) -> Tensor:
    zeros = [torch.zeros_like(one) for one in ones]
    _, pull = torch.func.vjp(step.of, *zeros)
    identity = torch.eye(like.numel(), dtype=torch.float64).view(-1, *like.shape)
    return torch.vmap(pull)(identity)[place].flatten(1)


def _alone(step: Affine, place: int, ones: Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """A step's magnitude as a function of one of its inputs."""

    def size(value: Tensor) -> Tensor:
        inputs = [torch.zeros_like(one) for one in ones]
        inputs[place] = value
        return step.magnitude(*inputs)

    return size
