"""The harness judges, never the attack: a clean forward pass over every candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from harness.api import (
    ZERO_GRADIENT,
    Batch,
    Candidates,
    Norm,
    PluginError,
    Status,
    margin,
    reached,
    succeeded,
)
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job, Judged, Rounded, to_batch

BUDGET_TOLERANCE = 1e-6
"""How far above the declared epsilon a candidate may lie, relative to epsilon."""


class Declared(Protocol):
    """What an attack says of itself that its candidates are judged by."""

    @property
    def norm(self) -> Norm: ...

    @property
    def budget(self) -> float | None: ...

    @property
    def confidence(self) -> float: ...


def judge(
    model: PixelClassifier,
    attack: Declared,
    jobs: Sequence[Job],
    candidates: Candidates,
    forwards: Sequence[int],
    backwards: Sequence[int],
    *,
    flat: Sequence[bool] | None = None,
    eight_bit: bool = False,
) -> list[Judged]:
    """Verdicts on ``candidates``, a row for each of ``jobs``.

    Success is the argmax of a forward pass in IEEE fp32. NaN, pixels outside [0, 1] and distortions
    beyond the budget are ``invalid``. With ``eight_bit`` a second pass judges what is left of the
    candidates after `to_8_bits`; rounding may exceed the budget, which is not held against them.
    ``flat``: the rows whose first gradient was zero everywhere.

    Raises:
        PluginError: the candidates do not have the images' shape.
    """
    batch = to_batch(jobs, device=model.device)
    images = _checked(candidates.images, batch.images).detach().to(model.device, torch.float32)
    invalid = _invalid_reasons(images, batch.images, attack)
    verdicts = _verdicts(model, images, batch, attack.confidence)
    norms = _norms(images - batch.images)
    numbers = {name: values.detach().tolist() for name, values in candidates.numbers.items()}
    hosted = images.cpu()
    rounded = _rounded(model, images, batch) if eight_bit else [None] * len(jobs)
    judged = []
    for row, job in enumerate(jobs):
        verdict = verdicts[row]
        status, error = _status(invalid[row], verdict)
        finite = invalid[row] != _NAN
        judged.append(
            Judged(
                job,
                status,
                forwards[row],
                backwards[row],
                predicted=verdict.predicted if verdict else None,
                margin=verdict.margin if verdict else None,
                confident=status is Status.BROKEN and verdict is not None and verdict.confident,
                linf=norms[0][row] if finite else None,
                l2=norms[1][row] if finite else None,
                l1=norms[2][row] if finite else None,
                l0=int(norms[3][row]) if finite else None,
                numbers={name: values[row] for name, values in numbers.items()}
                | ({ZERO_GRADIENT: 1.0} if flat is not None and flat[row] else {}),
                candidate=hosted[row],
                rounded=rounded[row] if error is None else None,
                error=error,
            )
        )
    return judged


def to_8_bits(images: Tensor) -> Tensor:
    """``images`` rounded to the nearest multiples of 1/255: what a PNG file brings back.

    In float64, where the product is exact and where every device's quotient, even by way of a
    reciprocal, becomes the float32 nearest to k/255.
    """
    return (images.double() * 255).round().div(255).float()


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the model says of an image: its class, how far the goal is reached, and whether."""

    predicted: int
    margin: float
    reached: bool
    confident: bool


def _verdicts(
    model: PixelClassifier, images: Tensor, batch: Batch, kappa: float = 0.0
) -> list[_Verdict | None]:
    """A verdict an image; None where the model returned NaN or infinity."""
    logits = model.predict(images.contiguous(memory_format=model.memory_format))
    margins = margin(logits, batch.classes, batch.targeted)
    won = succeeded(logits, batch.classes, batch.targeted)
    sure = won & reached(margins, kappa) if kappa else won
    rows = zip(
        logits.argmax(1).tolist(), margins.tolist(), won.tolist(), sure.tolist(), strict=True
    )
    return [None if math.isnan(row[1]) else _Verdict(*row) for row in rows]


def _rounded(model: PixelClassifier, images: Tensor, batch: Batch) -> list[Rounded | None]:
    """The verdicts on ``images`` as 8-bit images, whatever they are before; None: no finite one."""
    return [
        None
        if verdict is None
        else Rounded(
            Status.BROKEN if verdict.reached else Status.ROBUST, verdict.predicted, verdict.margin
        )
        for verdict in _verdicts(model, to_8_bits(images), batch)
    ]


_NAN = "the candidate holds NaN or infinity"


def _checked(candidates: Tensor, images: Tensor) -> Tensor:
    if not isinstance(candidates, Tensor) or candidates.shape != images.shape:
        shape = tuple(getattr(candidates, "shape", ()))
        raise PluginError(
            f"the attack returned {type(candidates).__name__}{shape} for images of "
            f"{tuple(images.shape)}"
        )
    return candidates


def _status(invalid: str | None, verdict: _Verdict | None) -> tuple[Status, str | None]:
    if invalid is not None:
        return Status.INVALID, invalid
    if verdict is None:
        return Status.ERROR, "the model returned NaN or infinity for the candidate"
    return (Status.BROKEN if verdict.reached else Status.ROBUST), None


def _invalid_reasons(candidates: Tensor, images: Tensor, attack: Declared) -> list[str | None]:
    flat = candidates.flatten(1)
    nan = (~flat.isfinite()).any(1).tolist()
    outside = ((flat < 0) | (flat > 1)).any(1).tolist()
    excess = _beyond_budget(candidates, images, attack.norm, attack.budget).tolist()
    reasons: list[str | None] = []
    for row in range(len(nan)):
        if nan[row]:
            reasons.append(_NAN)
        elif outside[row]:
            reasons.append("the candidate leaves [0, 1]")
        elif excess[row]:
            reasons.append(f"the candidate exceeds {attack.norm} {attack.budget:g}")
        else:
            reasons.append(None)
    return reasons


def _beyond_budget(candidates: Tensor, images: Tensor, norm: Norm, budget: float | None) -> Tensor:
    """Whether each candidate lies more than `BUDGET_TOLERANCE` beyond the budget, bool (n,).

    In linf a pixel may be the float32 nearest to the ball's face: there rounding alone can exceed
    the tolerance, and no attack could do better.
    """
    if budget is None:
        return torch.zeros(len(images), dtype=torch.bool, device=images.device)
    limit = budget * (1 + BUDGET_TOLERANCE)
    if norm is Norm.LINF:
        slack = limit - budget
        above = candidates.double() - (images + budget).double() > slack
        below = (images - budget).double() - candidates.double() > slack
        return (above | below).flatten(1).any(1)
    norms = dict(
        zip((Norm.LINF, Norm.L2, Norm.L1, Norm.L0), _norms(candidates - images), strict=True)
    )
    return torch.tensor(norms[norm], device=images.device) > limit


def _norms(difference: Tensor) -> tuple[list[float], list[float], list[float], list[float]]:
    """linf, l2, l1 and l0 (changed values) of each row, accumulated in float64."""
    flat = difference.flatten(1).double()
    size = flat.abs()
    return (
        size.amax(1).tolist(),
        flat.square().sum(1).sqrt().tolist(),
        size.sum(1).tolist(),
        (size > 0).sum(1).double().tolist(),
    )
