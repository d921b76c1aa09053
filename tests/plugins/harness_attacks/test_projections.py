"""Projections against scipy, brute force, and the definition by sorting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from harness_attacks.nearest.projections import (
    _cut_by_bits,
    _cut_by_order,
    keep_largest,
    l1_ball,
    simplex,
)


def _sorted_threshold(row: np.ndarray, total: float) -> float:
    """Duchi et al. 2008, Figure 1."""
    ordered = np.sort(row)[::-1]
    surplus = (np.cumsum(ordered) - total) / np.arange(1, len(row) + 1)
    return float(surplus[np.nonzero(ordered > surplus)[0][-1]])


def _rows(kind: str, count: int, values: int) -> torch.Tensor:
    rows = torch.randn(count, values, generator=torch.Generator().manual_seed(1))
    return {"normal": rows, "heavy": rows**5, "equal": rows.sign(), "zero": rows * 0}[kind]


@pytest.mark.parametrize("kind", ["normal", "heavy", "equal", "zero"])
@pytest.mark.parametrize("values", [1, 2, 50, 3000])
def test_both_are_what_sorting_finds(kind, values):
    rows = _rows(kind, 12, values)
    totals = torch.logspace(-3, 2, 12)
    on_simplex, in_ball = simplex(rows, totals), l1_ball(rows, totals)
    for row, total, first, second in zip(rows, totals, on_simplex, in_ball, strict=True):
        exact, size = row.double().numpy(), float(total)
        expected = np.maximum(exact - _sorted_threshold(exact, size), 0)
        scale = max(size, np.abs(exact).max(), 1e-6)
        np.testing.assert_allclose(first.numpy(), expected, atol=2e-6 * scale)
        if np.abs(exact).sum() > size:
            cut = _sorted_threshold(np.abs(exact), size)
            exact = np.sign(exact) * np.maximum(np.abs(exact) - cut, 0)
        np.testing.assert_allclose(second.numpy(), exact, atol=2e-6 * scale)


def test_no_point_of_the_ball_is_nearer():
    rows = torch.randn(5, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    radius = torch.tensor([0.01, 0.3, 1.0, 2.0, 100.0], dtype=torch.float64)
    for row, size, found in zip(rows.numpy(), radius.tolist(), l1_ball(rows, radius), strict=True):
        # x = p - q with p, q >= 0 and sum(p + q) <= size
        best = minimize(
            lambda both, row=row: ((both[:4] - both[4:] - row) ** 2).sum(),
            np.full(8, size / 100),
            bounds=[(0, None)] * 8,
            constraints={"type": "ineq", "fun": lambda both, size=size: size - both.sum()},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        ).x
        np.testing.assert_allclose(found.numpy(), best[:4] - best[4:], atol=1e-5)


def test_a_grid_in_two_dimensions():
    axis = torch.linspace(-1, 1, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    ball = grid[grid.abs().sum(1) <= 0.6 + 1e-12]
    points = torch.randn(20, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = l1_ball(points, torch.full((20,), 0.6, dtype=torch.float64))
    assert (found.abs().sum(1) <= 0.6 + 1e-12).all()
    nearest = torch.cdist(points, ball).amin(1)
    own = (found - points).norm(dim=1)
    assert (own <= nearest + 1e-12).all()
    assert (own >= nearest - 0.01).all()


def test_rows_do_not_look_at_each_other():
    rows, totals = _rows("heavy", 9, 400), torch.logspace(-2, 1, 9)
    together = l1_ball(rows, totals)
    alone = torch.cat([l1_ball(rows[n : n + 1], totals[n : n + 1]) for n in range(9)])
    assert torch.equal(together, alone)
    assert l1_ball(rows, torch.zeros(9)).count_nonzero() == 0


@pytest.mark.parametrize("kind", ["normal", "heavy", "equal", "zero"])
def test_the_largest_values_stay(kind):
    rows = _rows(kind, 8, 50)
    counts = torch.tensor([0.0, 1, 2, 3, 10, 25, 49, 50])
    assert torch.equal(_cut_by_bits(rows.abs(), counts), _cut_by_order(rows.abs(), counts))
    for row, count, found in zip(
        rows, counts.int().tolist(), keep_largest(rows, counts), strict=True
    ):
        kept = set(row.abs().argsort(descending=True)[:count].tolist())
        least = min((float(row[n].abs()) for n in kept), default=np.inf)
        assert all(found[n] == row[n] for n in kept)
        assert ((found == row) | (found == 0)).all()
        assert (found != 0).sum() <= (row.abs() >= least).sum()
