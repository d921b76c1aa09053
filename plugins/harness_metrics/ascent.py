"""Projected gradient ascent on the divergence of predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from harness.api import MeasurementResult, Probe, Subject, looks
from harness_metrics.samples import offsets


@dataclass(frozen=True, slots=True)
class Ball:
    """Where the ascent may go: a ball around the image, with ``clip`` within the pixel range."""

    norm: Literal["linf", "l2"]
    epsilon: float
    clip: bool


@dataclass(frozen=True, slots=True)
class Ascent:
    """How it goes.

    Attributes:
        relative_step: the size of a step over the ball's radius.
        unit_logits: whether each image's logits are divided by their l2 norm.
    """

    steps: int
    restarts: int
    relative_step: float
    unit_logits: bool


def ascend(
    ball: Ball, ascent: Ascent, probe: Probe, subjects: Sequence[Subject]
) -> list[MeasurementResult]:
    """The largest divergence over all restarts and steps, the start points included."""
    restarts, unit = ascent.restarts, ascent.unit_logits
    clean = probe.logits(torch.stack([subject.image for subject in subjects]))
    images = torch.stack([each.image for each in subjects for _ in range(restarts)])
    fixed = _log_probabilities(clean, unit=unit).repeat_interleave(restarts, dim=0)
    moved = _projected(ball, images, _starts(ball, restarts, subjects))
    sane = clean.isfinite().all(1).repeat_interleave(restarts)
    best = torch.full((len(images),), -1.0, dtype=torch.float64, device=images.device)
    at, when = moved.clone(), torch.zeros_like(best)
    logits = clean.repeat_interleave(restarts, dim=0)

    def divergence(logits: Tensor, own: Tensor) -> Tensor:
        own = own.to(logits.dtype)
        return (own.exp() * (own - _log_probabilities(logits, unit=unit))).sum(1)

    for step in range(ascent.steps + 1):
        if step < ascent.steps:
            seen, gradient = probe.gradient(images + moved, divergence, fixed)
            sane &= gradient.isfinite().flatten(1).all(1)
        else:
            seen, gradient = probe.logits(images + moved), None
        here = divergence(seen.double(), fixed)
        sane &= here.isfinite()
        better = here > best
        best = torch.where(better, here, best)
        when = torch.where(better, step, when)
        at = torch.where(better[:, None, None, None], moved, at)
        logits = torch.where(better[:, None], seen, logits)
        if gradient is not None:
            size = ascent.relative_step * ball.epsilon
            moved = _projected(ball, images, moved + size * _direction(ball, gradient))
    parts = (each.split(restarts) for each in looks(sane, best, at, when, logits))
    return [_reading(subject, *rows) for subject, *rows in zip(subjects, *parts, strict=True)]


def _log_probabilities(logits: Tensor, *, unit: bool) -> Tensor:
    logits = logits.double() if not logits.requires_grad else logits
    if unit:
        logits = logits / torch.linalg.vector_norm(logits, dim=1, keepdim=True).clamp_min(1e-12)
    return torch.log_softmax(logits, dim=1)


def _starts(ball: Ball, restarts: int, subjects: Sequence[Subject]) -> Tensor:
    """A random point of the ball for each restart, from the restart's own generator."""
    rows = [
        offsets(
            ball.norm,
            1,
            subject.image.shape,
            radius=ball.epsilon,
            radial=False,
            generator=subject.generator("start", number),
        )
        for subject in subjects
        for number in range(restarts)
    ]
    return torch.cat(rows).to(subjects[0].image.device, non_blocking=True)


def _direction(ball: Ball, gradient: Tensor) -> Tensor:
    """The steepest direction in the ball's norm, of length 1."""
    if ball.norm == "linf":
        return gradient.sign()
    length = torch.linalg.vector_norm(gradient, dim=(1, 2, 3), keepdim=True)
    return gradient / length.clamp_min(torch.finfo(gradient.dtype).tiny)


def _projected(ball: Ball, images: Tensor, moved: Tensor) -> Tensor:
    """Into the ball, then into the pixel range: clipping towards the image leaves no ball."""
    epsilon = ball.epsilon
    if ball.norm == "linf":
        moved = moved.clamp(-epsilon, epsilon)
    else:
        length = torch.linalg.vector_norm(moved, dim=(1, 2, 3), keepdim=True)
        moved = moved * (epsilon / length.clamp_min(epsilon))
    return (images + moved).clamp(0, 1) - images if ball.clip else moved


def _reading(
    subject: Subject, sane: Tensor, best: Tensor, at: Tensor, when: Tensor, logits: Tensor
) -> MeasurementResult:
    if not bool(sane.all()):
        return MeasurementResult(
            problem="NaN or infinite logits or gradients at the image or around it"
        )
    winner = int(best.argmax())
    found, there = float(best[winner]), logits[winner].double()
    others = there.clone()
    others[subject.label] = -torch.inf
    numbers = {
        "divergence": found,
        "restart": float(winner),
        "step": float(when[winner]),
        "margin": float(there[subject.label] - others.max()),
        "linf": float(at[winner].abs().max()),
        "l2": float(torch.linalg.vector_norm(at[winner])),
    }
    if found <= 0:
        return MeasurementResult(
            numbers, problem="the prediction does not change in the ball: no score"
        )
    return MeasurementResult({"psi": 1 / found, "log10_psi": -math.log10(found), **numbers})
