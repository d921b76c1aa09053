"""The largest divergence against brute force, and what must not change it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harness.api import Status
from harness.engine.jobs import Job
from harness.engine.workers import Workers
from harness.testing.fakes import jobs_for, linear_model, measure_all, pixel_model, plane_model
from harness_metrics.divergence import Divergence


def kl(one: np.ndarray, other: np.ndarray) -> float:
    def log_softmax(logits):
        return logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())

    p, q = log_softmax(one), log_softmax(other)
    return float((np.exp(p) * (p - q)).sum())


WEIGHTS = torch.tensor([[3.0, -1.0, 2.0], [-2.0, 1.5, 0.5], [0.5, 2.0, -3.0]])
BIAS = torch.tensor([0.1, 0.0, -0.2])
IMAGE = torch.tensor([0.5, 0.4, 0.6])


@pytest.mark.parametrize("epsilon", [0.05, 0.2])
def test_linf_finds_the_best_corner_of_a_linear_model(workers, epsilon):
    """The divergence is convex in the perturbation, so that its maximum is at a corner."""
    model = linear_model(WEIGHTS, BIAS, size=(1, 1))
    jobs = jobs_for(model, IMAGE.view(1, 3, 1, 1), [None])
    (row,) = measure_all(Divergence(epsilon=epsilon, restarts=8), model, jobs, workers)
    clean = (WEIGHTS @ IMAGE + BIAS).double().numpy()
    corners = [
        (WEIGHTS @ (IMAGE + epsilon * torch.tensor(signs)) + BIAS).double().numpy()
        for signs in itertools.product((-1.0, 1.0), repeat=3)
    ]
    best = max(kl(clean, logits) for logits in corners)
    assert row.numbers["divergence"] == pytest.approx(best, rel=0.01)
    assert row.numbers["psi"] == pytest.approx(1 / best, rel=0.01)
    assert row.numbers["linf"] <= epsilon * (1 + 1e-5)
    assert row.passes.forwards == 1 + 8 * 21
    assert row.passes.backwards == 8 * 20


def test_l2_finds_the_best_direction_of_a_linear_model(workers):
    from scipy.optimize import minimize

    model = linear_model(WEIGHTS, BIAS, size=(1, 1))
    jobs = jobs_for(model, IMAGE.view(1, 3, 1, 1), [None])
    asked = Divergence(norm="l2", epsilon=0.2, steps=60, restarts=8)
    (row,) = measure_all(asked, model, jobs, workers)
    clean = (WEIGHTS @ IMAGE + BIAS).double().numpy()
    matrix = WEIGHTS.double().numpy()

    def loss(direction):
        return -kl(clean, clean + matrix @ (0.2 * direction / np.linalg.norm(direction)))

    starts = np.random.default_rng(0).normal(size=(20, 3))
    best = max(-minimize(loss, start).fun for start in starts)
    assert row.numbers["divergence"] == pytest.approx(best, rel=0.01)
    assert row.numbers["l2"] <= 0.2 * (1 + 1e-5)


@pytest.fixture(scope="module")
def curved():
    torch.manual_seed(2)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 24), nn.Tanh(), nn.Linear(24, 6))
    network[3].weight.data *= 6
    return pixel_model(network, classes=6, size=(4, 4))


def test_batch_size_and_batch_mates_change_nothing(curved, workers):
    images = torch.rand((4, 3, 4, 4), generator=torch.Generator().manual_seed(1))
    jobs = jobs_for(curved, images, [None] * 4)
    one = measure_all(Divergence(restarts=5), curved, jobs, workers, batch_size=1)
    many = measure_all(Divergence(restarts=5), curved, jobs[::-1], workers, batch_size=64)[::-1]
    for row, other in zip(one, many, strict=True):
        assert row.numbers["psi"] == pytest.approx(other.numbers["psi"], rel=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 6), st.integers(0, 6), st.integers(1, 3), st.integers(0, 3), st.integers(0, 99)
)
def test_more_steps_or_restarts_never_find_less(steps, more, restarts, further, seed):
    """On waves, where a step as long as the ball is wide jumps from crest to trough."""
    waves = plane_model(lambda at: 3 * torch.sin(25 * at[:, 0]) + 2 * torch.cos(19 * at[:, 1]))
    image = torch.rand((3, 1, 1), generator=torch.Generator().manual_seed(seed))
    label = int(waves.predict(image[None]).argmax())
    job = Job("cell", "0", image, label, None, seed=seed)
    common = {"norm": "l2", "epsilon": 0.3, "relative_step": 0.9}
    found = [
        measure_all(Divergence(steps=n, restarts=r, **common), waves, [job], Workers(1))[0].numbers
        for n, r in ((steps, restarts), (steps + more, restarts), (steps, restarts + further))
    ]
    few, longer, wider = (numbers["divergence"] for numbers in found)
    assert longer >= few * (1 - 1e-5)
    assert wider >= few * (1 - 1e-5)


def test_unit_logits_do_not_see_a_rescaled_network(workers):
    images = IMAGE.view(1, 3, 1, 1)
    found = []
    for factor in (1.0, 7.0):
        model = linear_model(factor * WEIGHTS, factor * BIAS, size=(1, 1))
        jobs = jobs_for(model, images, [None])
        (row,) = measure_all(Divergence(logits="unit"), model, jobs, workers)
        (raw,) = measure_all(Divergence(), model, jobs, workers)
        found.append((row.numbers["psi"], raw.numbers["psi"]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    assert found[0][1] != pytest.approx(found[1][1], rel=0.1)


def test_pixels_stay_in_their_range_unless_asked_not_to(workers):
    seen: list[float] = []

    def watching(points):
        seen.append(float(points.detach().abs().max()))
        return 3 * points[:, 0] + points[:, 1]

    model = plane_model(watching)
    job = Job("cell", "0", torch.full((3, 1, 1), 0.95), 0, None, seed=0)
    measure_all(Divergence(epsilon=0.3), model, [job], workers)
    assert max(seen) <= 1
    measure_all(Divergence(epsilon=0.3, clip=False), model, [job], workers)
    assert max(seen) > 1


@pytest.mark.parametrize("value", [1.0, math.nan], ids=["saturated", "nan"])
def test_what_has_no_divergence_has_no_score_and_a_reason(workers, value):
    model = plane_model(lambda points: 0 * points.sum(1) + value)
    job = Job("cell", "0", torch.full((3, 1, 1), 0.5), 0, None, seed=0)
    (row,) = measure_all(Divergence(), model, [job], workers)
    assert row.status is Status.INVALID
    assert row.error
    assert "psi" not in row.numbers
