"""The harness judges, never the attack: a clean forward pass over every candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from harness.api import (
    Batch,
    Candidates,
    Norm,
    Norms,
    Outcome,
    Passes,
    PluginError,
    Status,
    Verdict,
    look,
    looks,
    margin,
    reached,
    succeeded,
)
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job, Judged, to_batch

BUDGET_TOLERANCE = 1e-6
"""How far above the declared epsilon a candidate may lie, relative to epsilon."""


class Declared(Protocol):
    """What an attack declares and its candidates are judged by."""

    @property
    def norm(self) -> Norm: ...

    @property
    def budget(self) -> float | None: ...

    @property
    def confidence(self) -> float: ...


@dataclass(frozen=True, slots=True)
class PulledBack:
    """Judges an attack that knows no budget by ``budget``: what lies beyond is pulled back first.

    See `harness.api.CompositeAttack`.
    """

    norm: Norm
    budget: float
    confidence: float

    def candidates(self, candidates: Tensor, images: Tensor) -> Tensor:
        """The candidates within the budget or outside [0, 1] as they are; others nearer.

        In l0 the largest changes are kept, in the other norms the direction.
        """
        difference = candidates - images
        flat, size = difference.flatten(1), _norms(difference)[[*Norm].index(self.norm)]
        if self.norm is Norm.L0:
            kept = flat.abs().topk(min(int(self.budget), flat.shape[1]), dim=1).indices
            less = torch.zeros_like(flat).scatter(1, kept, flat.gather(1, kept))
        else:
            within = self.budget * (1 - BUDGET_TOLERANCE)
            less = flat * (within / size)[:, None].to(flat.dtype)
        inside = ((candidates >= 0) & (candidates <= 1)).flatten(1).all(1)
        beyond = inside & (size > self.budget * (1 + BUDGET_TOLERANCE))
        nearer = (images + less.view_as(images)).clamp(0, 1)
        return torch.where(beyond.view(-1, 1, 1, 1), nearer, candidates)


def judge(
    model: PixelClassifier,
    attack: Declared,
    jobs: Sequence[Job],
    candidates: Candidates,
    *,
    passes: Sequence[Passes] | None = None,
    flags: Mapping[str, Sequence[bool]] | None = None,
    eight_bit: bool = False,
) -> list[Judged]:
    """Verdicts on ``candidates``, one row for each of ``jobs``.

    Success is the argmax of a forward pass in IEEE fp32. NaN, pixels outside [0, 1] and distortions
    beyond the budget are ``invalid``. With ``eight_bit`` a second pass judges the candidates after
    `to_8_bits`; rounding may exceed the budget, which is not held against them.

    Args:
        passes: those that the attack made for each row.
        flags: numbers that are 1 for some rows and absent for the others, such as `ZERO_GRADIENT`.

    Raises:
        PluginError: the candidates do not have the images' shape.
    """
    batch = to_batch(jobs, device=model.device)
    images = _checked(candidates.images, batch.images).detach().to(model.device, torch.float32)
    if isinstance(attack, PulledBack):
        images = attack.candidates(images, batch.images)
    measured = [*_norms(images - batch.images), *_outside(images, batch.images, attack)]
    measured += _predictions(model, images, batch, attack.confidence)
    if eight_bit:
        measured += _predictions(model, to_8_bits(images), batch)
    further = [values.detach() for values in candidates.numbers.values()]
    rows = [each.tolist() for each in looks(*measured, *further)]  # all that is read, at once
    norms = [Norms(*row) for row in zip(*rows[:4], strict=True)]
    problems = _problems(attack, norms, *rows[4:7])
    found = _read(*rows[7:11])
    rounded = _read(*rows[11:15]) if eight_bit else [None] * len(jobs)
    numbers = dict(zip(candidates.numbers, rows[len(measured) :], strict=True))
    hosted = look(images)
    judged = []
    for row, job in enumerate(jobs):
        now, also, problem = found[row], rounded[row], problems[row]
        verdict, error = _verdict(problem, now)
        outcome = Outcome(
            image_id=job.image_id,
            label=job.label,
            target=job.target,
            verdict=verdict,
            confident=now is not None and now.confident and problem is None,
            norms=Norms() if problem == NAN else norms[row],
            passes=passes[row] if passes else Passes(),
            numbers={name: values[row] for name, values in numbers.items()}
            | {name: 1.0 for name, has in (flags or {}).items() if has[row]},
            rounded=also.verdict if also and error is None else None,
            error=error,
        )
        judged.append(Judged(job, outcome, hosted[row]))
    return judged


def to_8_bits(images: Tensor) -> Tensor:
    """``images`` rounded to the nearest multiples of 1/255: what a PNG file brings back.

    In float64, where the product is exact and where every device's quotient, even by way of a
    reciprocal, becomes the float32 nearest to k/255.
    """
    return (images.double() * 255).round().div(255).float()


@dataclass(frozen=True, slots=True)
class _Prediction:
    """The verdict on a candidate, valid or not, and whether its margin reaches kappa."""

    verdict: Verdict
    confident: bool


def _predictions(
    model: PixelClassifier, images: Tensor, batch: Batch, kappa: float = 0.0
) -> list[Tensor]:
    """Predicted classes, margins, and whether the goal and kappa are reached, (n,) each."""
    logits = model.predict(images.contiguous(memory_format=model.memory_format))
    margins = margin(logits, batch.classes, batch.targeted)
    won = succeeded(logits, batch.classes, batch.targeted)
    sure = won & reached(margins, kappa) if kappa else won
    return [logits.argmax(1), margins, won, sure]


def _read(
    classes: list[int], margins: list[float], won: list[bool], sure: list[bool]
) -> list[_Prediction | None]:
    """One prediction per image; None where the model returned NaN or infinity."""
    found: list[_Prediction | None] = []
    for predicted, far, hit, confident in zip(classes, margins, won, sure, strict=True):
        verdict = Verdict(Status.BROKEN if hit else Status.ROBUST, predicted, far)
        found.append(None if math.isnan(far) else _Prediction(verdict, confident))
    return found


NAN = "the candidate holds NaN or infinity"
OUTSIDE = "the candidate leaves [0, 1]"
BEYOND = "the candidate exceeds"
"""What is wrong with candidates that are ``invalid``; the last one is followed by the budget."""


def _checked(candidates: Tensor, images: Tensor) -> Tensor:
    if not isinstance(candidates, Tensor) or candidates.shape != images.shape:
        shape = tuple(getattr(candidates, "shape", ()))
        raise PluginError(
            f"the attack returned {type(candidates).__name__}{shape} for images of "
            f"{tuple(images.shape)}"
        )
    return candidates


def _verdict(problem: str | None, found: _Prediction | None) -> tuple[Verdict, str | None]:
    if found is None:
        status = Status.ERROR if problem is None else Status.INVALID
        return Verdict(status), problem or "the model returned NaN or infinity for the candidate"
    if problem is not None:
        return replace(found.verdict, status=Status.INVALID), problem
    return found.verdict, None


def _problems(
    attack: Declared,
    norms: Sequence[Norms],
    nan: list[bool],
    outside: list[bool],
    beyond: list[bool],
) -> list[str | None]:
    """Why each candidate is invalid; None: it is not."""
    problems: list[str | None] = []
    for row, each in enumerate(norms):
        if nan[row]:
            problems.append(NAN)
        elif outside[row]:
            problems.append(OUTSIDE)
        elif beyond[row] or _beyond_budget(each, attack):
            problems.append(f"{BEYOND} {attack.norm} {attack.budget:g}")
        else:
            problems.append(None)
    return problems


def _beyond_budget(norms: Norms, attack: Declared) -> bool:
    """Whether a candidate lies more than `BUDGET_TOLERANCE` beyond the budget, but for linf."""
    if attack.budget is None or attack.norm is Norm.LINF:
        return False
    distance: float = getattr(norms, attack.norm)
    return distance > attack.budget * (1 + BUDGET_TOLERANCE)


def _outside(candidates: Tensor, images: Tensor, attack: Declared) -> list[Tensor]:
    """Which candidates hold NaN, leave [0, 1], are beyond a budget in linf; bool (n,) each.

    In linf a pixel may be the float32 nearest to the ball's face: there rounding alone can exceed
    the tolerance, and no attack could do better.
    """
    flat, budget = candidates.flatten(1), attack.budget
    nan, box = (~flat.isfinite()).any(1), ((flat < 0) | (flat > 1)).any(1)
    if budget is None or attack.norm is not Norm.LINF:
        return [nan, box, torch.zeros_like(box)]
    slack = budget * (1 + BUDGET_TOLERANCE) - budget
    above = candidates.double() - (images + budget).double() > slack
    below = (images - budget).double() - candidates.double() > slack
    return [nan, box, (above | below).flatten(1).any(1)]


def _norms(difference: Tensor) -> list[Tensor]:
    """linf, l2, l1 and l0 of each row, as `Norm` orders them, accumulated in float64.

    l0 counts changed values.
    """
    flat = difference.flatten(1).double()
    size = flat.abs()
    return [size.amax(1), flat.square().sum(1).sqrt(), size.sum(1), (size > 0).sum(1)]
