"""The step to a hyperplane within the box, against linear programmes and scipy's minimiser."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize

from harness.api import Norm
from harness_attacks.boundary.hyperplane import step_to

NORMS = [Norm.LINF, Norm.L2, Norm.L1]
ORDER = {Norm.LINF: np.inf, Norm.L2: 2, Norm.L1: 1}


def problem(seed: int):
    """A point of the box, on its surface now and then, weights, some of them 0, and a value."""
    draw = np.random.default_rng(seed)
    size = int(draw.integers(1, 9))
    point, weights = draw.random(size), draw.normal(size=size) * (draw.random(size) < 0.8)
    weights[0] += 0.1
    return np.round(point) if seed % 3 == 0 else point, weights, draw.normal()


def step(norm, point, weights, value):
    given = (torch.from_numpy(np.array([each])) for each in (point, weights, value))
    found = step_to(norm, *given)
    return found[0].numpy()


def smallest(norm, point, weights, value) -> float:
    size, eye = len(point), np.eye(len(point))
    room = [(-each, 1 - each) for each in point]
    if norm is Norm.LINF:
        ones = np.ones((size, 1))
        within = np.vstack([np.hstack([eye, -ones]), np.hstack([-eye, -ones])])
        costs, equal, bounds = np.append(np.zeros(size), 1), np.append(weights, 0), [*room, (0, 1)]
        found = linprog(costs, within, np.zeros(2 * size), equal[None], [-value], bounds)
        return found.fun
    if norm is Norm.L1:
        parts = [(0, high) for _, high in room] + [(0, -low) for low, _ in room]
        equal = np.concatenate((weights, -weights))[None]
        return linprog(np.ones(2 * size), None, None, equal, [-value], parts).fun
    found = minimize(
        lambda move: move @ move,
        np.full(size, 0.01),
        jac=lambda move: 2 * move,
        bounds=room,
        constraints={"type": "eq", "fun": lambda z: weights @ z + value, "jac": lambda _: weights},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.success
    return found.fun**0.5


@pytest.mark.parametrize("norm", NORMS)
def test_no_step_is_smaller(norm):
    reached = 0
    for seed in range(60):
        point, weights, value = problem(seed)
        found = step(norm, point, weights, value)
        assert (point + found).min() >= -1e-12
        assert (point + found).max() <= 1 + 1e-12
        towards = np.where(weights * value < 0, 1 - point, point) * (weights != 0)
        if np.abs(weights) @ towards <= abs(value):
            corner = -np.sign(weights * value) * towards
            np.testing.assert_allclose(found, corner, atol=1e-12)
            continue
        reached += 1
        assert weights @ found + value == pytest.approx(0, abs=1e-9)
        size = np.linalg.norm(found, ORDER[norm])
        assert size == pytest.approx(smallest(norm, point, weights, value), abs=1e-6)
    assert reached > 20


@pytest.mark.parametrize("norm", NORMS)
def test_in_the_plane_no_point_of_a_grid_is_nearer(norm):
    point, weights, value = np.array([0.3, 0.9]), np.array([0.2, 1.0]), -0.2
    grid = np.stack(np.meshgrid(*2 * [np.linspace(0, 1, 1001)]), -1).reshape(-1, 2) - point
    beyond = grid[grid @ weights + value >= 0]
    nearest = np.linalg.norm(beyond, ORDER[norm], axis=1).min()
    size = np.linalg.norm(step(norm, point, weights, value), ORDER[norm])
    assert nearest - 2e-3 <= size <= nearest + 1e-9


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_of_any_size_and_none(norm):
    draw = torch.Generator().manual_seed(3)
    points, normal = torch.rand(4, 50, generator=draw), torch.randn(4, 50, generator=draw)
    value = torch.tensor([0.5, -0.5, 2.0, -0.01])
    expected = step_to(norm, points, normal, value)
    for factor in (1e-25, 1e25):
        found = step_to(norm, points, normal * factor, value * factor)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert not step_to(norm, points, 0 * normal, value).any()
    assert not step_to(norm, points, normal, 0 * value).any()
    for row in range(4):
        alone = step_to(norm, *(each[row, None] for each in (points, normal, value)))
        torch.testing.assert_close(alone[0], expected[row])
