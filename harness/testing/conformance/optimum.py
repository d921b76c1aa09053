"""What the best attack on a linear model finds, by norm, and whether an attack comes near it.

With two classes and the margin w.x + b, the boundary is |w.x + b| / |w| away, in the dual norm of
the attack's: l1 for linf, l2 for l2, linf for l1. In l0 the pixels that move the margin most, each
to the end of the box, are the fewest. The images are so far from black and white that the box takes
no part in the other norms.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from harness.api import AttackParameters, Goal, Norm, Status
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job
from harness.testing.conformance import toys
from harness.testing.conformance.attack_subject import AttackSubject
from harness.testing.fakes import linear_model

DISTANCES = (0.04, 0.1, 0.18, 0.28)
"""Of the images from the boundary, in the attack's norm."""
NEAR = 0.999
"""Shares of what a budget should be enough for: float32 has its own rounding."""


@cache
def _weights() -> Tensor:
    """w, (48,): no two of the largest are alike."""
    return torch.randn(toys.PIXELS, generator=toys.generator(5))


@cache
def _two_classes() -> PixelClassifier:
    weights = torch.stack((_weights(), torch.zeros(toys.PIXELS)))
    return linear_model(weights, torch.tensor([-float(_weights().sum()) / 2, 0.0]), size=toys.SIZE)


def _unit(norm: Norm) -> Tensor:
    """The step of size one, in this norm, that changes the margin most."""
    weights = _weights()
    if norm is Norm.LINF:
        return weights.sign()
    if norm is Norm.L1:
        step = torch.zeros_like(weights)
        place = int(weights.abs().argmax())
        step[place] = weights[place].sign()
        return step
    unit: Tensor = weights / torch.linalg.vector_norm(weights)
    return unit


def _margin(pixels: Tensor) -> Tensor:
    """How far images (n, 48) are on one side, in logits."""
    return ((pixels.double() - 0.5) @ _weights().double()).abs()


def _optima(norm: Norm, images: Tensor) -> Tensor:
    """The smallest distortions, (n,), that carry images across the boundary."""
    flat, weights = images.flatten(1), _weights().double()
    margin = _margin(flat)
    if norm is Norm.L0:
        side = ((flat.double() - 0.5) @ weights).sign()[:, None]
        room = torch.where((weights * side) > 0, flat.double(), 1 - flat.double())
        gains = (room * weights.abs()).sort(1, descending=True).values.cumsum(1)
        return (gains <= margin[:, None]).sum(1).double() + 1
    dual = {Norm.LINF: 1.0, Norm.L2: 2.0, Norm.L1: torch.inf}[norm]
    smallest: Tensor = margin / torch.linalg.vector_norm(weights, dual)
    return smallest


def _images(norm: Norm, budget: float | None, tolerance: float) -> Tensor:
    """Images on both sides of the boundary, at `DISTANCES` or within what the budget reaches."""
    distances = torch.tensor(DISTANCES)
    if budget is not None and norm is not Norm.L0:
        reach = min((1 - tolerance) * NEAR * budget, max(DISTANCES))
        distances = reach * torch.tensor([0.2, 0.5, 0.8, 1.0])
    wander = 0.1 * (torch.rand((len(distances), toys.PIXELS), generator=toys.generator(6)) - 0.5)
    weights = _weights()
    wander -= (wander @ weights)[:, None] * weights / weights.square().sum()
    sides = torch.tensor([1.0, -1.0, 1.0, -1.0])
    flat = 0.5 + wander + (sides * distances)[:, None] * _unit(norm)
    return flat.reshape(-1, 3, *toys.SIZE)


def short_of_optimum(subject: AttackSubject, tolerance: float) -> str | None:
    """Where the attack ends further from the closed form than ``tolerance``; None: nowhere."""
    attack = subject.attack
    images = _images(attack.norm, attack.budget, tolerance)
    optima = _optima(attack.norm, images).tolist()
    found = subject.run(_two_classes(), _jobs(attack, images))
    for each, optimum in zip(found.judged, optima, strict=True):
        broken = each.outcome.status is Status.BROKEN
        if attack.budget is not None:
            if not broken and optimum <= (1 - tolerance) * attack.budget:
                return (
                    f"within {attack.norm} {attack.budget:g} it did not reach the boundary that is"
                    f" {optimum:.4g} away"
                )
            continue
        distance = getattr(each.outcome.norms, attack.norm)
        if not broken:
            return f"it did not reach the boundary that is {attack.norm} {optimum:.4g} away"
        if distance > (1 + tolerance) * optimum:
            return f"it found {attack.norm} {distance:.4g}; the smallest one is {optimum:.4g}"
    return None


def _jobs(attack: AttackParameters, images: Tensor) -> list[Job]:
    """Every second one is targeted where the attack knows both; with two classes it is the same."""
    model = _two_classes()
    aimed = toys.jobs(model, Goal.RANDOM, rows=images)
    free = toys.jobs(model, Goal.UNTARGETED, rows=images)
    if Goal.UNTARGETED not in attack.goals:
        return aimed
    if attack.goals == {Goal.UNTARGETED}:
        return free
    return [(free, aimed)[row % 2][row] for row in range(len(images))]
