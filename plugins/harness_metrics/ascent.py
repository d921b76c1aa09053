"""Projected gradient ascent on the divergence of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.api import Probe, Reading, Subject
from harness_metrics.samples import offsets

if TYPE_CHECKING:
    from harness_metrics.divergence import Divergence


def ascend(settings: Divergence, probe: Probe, subject: Subject) -> Reading:
    """The largest divergence over all restarts and steps, the start points included."""
    image = subject.image
    clean = probe.logits(image[None])
    if not clean.isfinite().all():
        return Reading(problem="the model returned NaN or infinity")
    fixed = _log_probabilities(settings, clean)
    moved = _starts(settings, subject)

    def divergence(logits: Tensor) -> Tensor:
        own = fixed.to(logits.dtype)
        return (own.exp() * (own - _log_probabilities(settings, logits))).sum(1)

    best = torch.full((settings.restarts,), -1.0, dtype=torch.float64, device=image.device)
    at, when = moved.clone(), torch.zeros_like(best)
    logits = clean.expand(settings.restarts, -1)
    for step in range(settings.steps + 1):
        last = step == settings.steps
        gradient = None
        if last:
            seen = probe.logits(image + moved)
        else:
            seen, gradient = probe.gradient(image + moved, divergence)
        here = divergence(seen.double())
        if not (here.isfinite().all() and (gradient is None or gradient.isfinite().all())):
            return Reading(problem="NaN or infinite logits or gradients around the image")
        better = here > best
        best = torch.where(better, here, best)
        when[better] = step
        at = torch.where(better[:, None, None, None], moved, at)
        logits = torch.where(better[:, None], seen, logits)
        if gradient is not None:
            moved = _stepped(settings, image, moved, gradient)
    return _reading(settings, subject, best, at, when, logits)


def _log_probabilities(settings: Divergence, logits: Tensor) -> Tensor:
    logits = logits.double() if not logits.requires_grad else logits
    if settings.logits == "unit":
        logits = logits / torch.linalg.vector_norm(logits, dim=1, keepdim=True).clamp_min(1e-12)
    return torch.log_softmax(logits, dim=1)


def _starts(settings: Divergence, subject: Subject) -> Tensor:
    """A random point of the ball for each restart, from the restart's own generator."""
    shape = subject.image.shape
    rows = [
        offsets(
            settings.norm, 1, shape, settings.epsilon, False, subject.generator("start", number)
        )
        for number in range(settings.restarts)
    ]
    moved = torch.cat(rows).to(subject.image.device)
    return _projected(settings, subject.image, moved)


def _stepped(settings: Divergence, image: Tensor, moved: Tensor, gradient: Tensor) -> Tensor:
    size = settings.relative_step * settings.epsilon
    if settings.norm == "linf":
        direction = gradient.sign()
    else:
        length = torch.linalg.vector_norm(gradient, dim=(1, 2, 3), keepdim=True)
        direction = gradient / length.clamp_min(torch.finfo(gradient.dtype).tiny)
    return _projected(settings, image, moved + size * direction)


def _projected(settings: Divergence, image: Tensor, moved: Tensor) -> Tensor:
    """Into the ball, then into the pixel range: clipping towards the image leaves no ball."""
    epsilon = settings.epsilon
    if settings.norm == "linf":
        moved = moved.clamp(-epsilon, epsilon)
    else:
        length = torch.linalg.vector_norm(moved, dim=(1, 2, 3), keepdim=True)
        moved = moved * (epsilon / length.clamp_min(epsilon))
    return (image + moved).clamp(0, 1) - image if settings.clip else moved


def _reading(
    settings: Divergence, subject: Subject, best: Tensor, at: Tensor, when: Tensor, logits: Tensor
) -> Reading:
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
        return Reading(numbers, problem="the prediction does not change in the ball: no score")
    return Reading({"psi": 1 / found, **numbers})
