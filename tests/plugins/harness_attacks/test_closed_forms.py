"""I-FGSM's smallest-epsilon search against closed forms on linear models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from harness.api import Passes, Status
from harness.testing.fakes import attack_all, jobs_for, linear_model
from harness_attacks.sign.fgsm import FGSM, IFGSM

SIZE = (4, 4)
VALUES = 48


def _problem(seed: int, classes: int, low: float, high: float, scale: float = 1.0):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(classes, VALUES, generator=generator, dtype=torch.float64)
    weights = weights.float().double()
    images = low + (high - low) * torch.rand(24, 3, *SIZE, generator=generator)
    flat = images.flatten(1).double()
    logits = flat @ weights.T
    bias = (-logits.mean(0) + scale * torch.randn(classes, generator=generator)).float().double()
    return weights, bias, images


def _smallest_two_class(difference: np.ndarray, margin: float, image: np.ndarray) -> float:
    """The smallest eps with sum_i |d_i| * min(eps, room_i) >= margin; piecewise linear in eps."""
    room = np.where(difference > 0, 1 - image, image)
    order = np.argsort(room)
    slope, gained, at = np.abs(difference).sum(), 0.0, 0.0
    for index in order:
        step = (room[index] - at) * slope
        if gained + step >= margin:
            return at + (margin - gained) / slope
        gained, at = gained + step, room[index]
        slope -= abs(difference[index])
    return np.inf


@pytest.mark.parametrize("steps", [1, 7])
@pytest.mark.parametrize(("low", "high", "scale"), [(0.45, 0.55, 1.0), (0.0, 1.0, 3.0)])
def test_two_classes_converge_to_the_closed_form(low, high, scale, steps):
    weights, bias, images = _problem(1, 2, low, high, scale)
    model = linear_model(weights, bias, size=SIZE)
    attack = IFGSM(steps=steps, attempts=40)
    jobs = jobs_for(model, images, [None] * len(images))
    compared = 0
    for row in attack_all(attack, model, jobs):
        image = row.job.image.flatten().double().numpy()
        own, other = row.job.label, 1 - row.job.label
        difference = (weights[other] - weights[own]).numpy()
        margin = float((weights[own] - weights[other]).numpy() @ image + bias[own] - bias[other])
        exact = _smallest_two_class(difference, margin, image)
        if not np.isfinite(exact) or exact > 0.9:
            continue
        compared += 1
        if low > 0.4:
            assert exact == pytest.approx(margin / np.abs(difference).sum(), rel=1e-9)
        assert row.outcome.status is Status.BROKEN
        assert row.outcome.norms.linf == pytest.approx(exact, rel=2e-4, abs=1e-6)
        assert row.outcome.norms.linf >= exact * (1 - 2e-4) - 1e-6
    assert compared >= 15


def test_more_classes_never_beat_the_linear_program():
    weights, bias, images = _problem(2, 5, 0.2, 0.8)
    model = linear_model(weights, bias, size=SIZE)
    labels = model.predict(images).argmax(1).tolist()
    targets = [(label + 1 + row % 4) % 5 for row, label in enumerate(labels)]
    rows = attack_all(IFGSM(steps=20, attempts=12), model, jobs_for(model, images, targets))
    broken = [row for row in rows if row.outcome.status is Status.BROKEN]
    assert len(broken) >= 12
    for row in broken:
        best = _linear_program(weights.numpy(), bias.numpy(), row.job)
        assert row.outcome.norms.linf >= best - 1e-6
        assert row.outcome.norms.linf <= 10 * best + 0.05


def _linear_program(weights: np.ndarray, bias: np.ndarray, job) -> float:
    """min eps over (delta, eps): |delta| <= eps, the box, and the target's logit the largest."""
    image = job.image.flatten().double().numpy()
    logits = weights @ image + bias
    others = [k for k in range(len(bias)) if k != job.target]
    beat = np.array([np.append(weights[k] - weights[job.target], 0) for k in others])
    slack = np.array([logits[job.target] - logits[k] for k in others])
    eye, ones = np.eye(VALUES), np.ones((VALUES, 1))
    constraints = np.vstack([beat, np.hstack([eye, -ones]), np.hstack([-eye, -ones])])
    limits = np.concatenate([slack, np.zeros(2 * VALUES)])
    bounds = [(-value, 1 - value) for value in image] + [(0, 1)]
    cost = np.append(np.zeros(VALUES), 1)
    return float(linprog(cost, A_ub=constraints, b_ub=limits, bounds=bounds).fun)


def test_passes_are_what_the_algorithm_needs():
    weights, bias, images = _problem(3, 3, 0.3, 0.7)
    model = linear_model(weights, bias, size=SIZE)
    jobs = jobs_for(model, images, [None] * len(images))
    for row in attack_all(IFGSM(steps=10), model, jobs, batch_size=7):
        # The clean gradient once, nine more steps and a verdict an attempt.
        assert row.outcome.passes == Passes(1 + 9 * 10, 1 + 9 * 9)
    for row in attack_all(IFGSM(steps=10, epsilon=0.1), model, jobs, batch_size=7):
        assert row.outcome.passes == Passes(10, 10)
    for row in attack_all(FGSM(epsilon=0.1), model, jobs, batch_size=7):
        assert row.outcome.passes == Passes(1, 1)
