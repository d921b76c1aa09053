"""The projection onto l1 ball and box against brute force and a sorted solution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness_attacks.ascent import box_l1


def _cases(rows: int, values: int, seed: int, spread: float = 1.0):
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(rows, values, generator=generator)
    points = centre + spread * torch.randn(rows, values, generator=generator)
    radius = 0.02 + 0.6 * values * torch.rand(rows, 1, generator=generator) ** 3
    return points, centre, radius


def test_two_values_by_brute_force():
    """A grid of all points of ball and box; the nearest is no nearer than the projection."""
    points, centre, radius = _cases(40, 2, 1)
    found = box_l1.project(points, centre, radius)
    axis = torch.linspace(0, 1, 401)
    grid = torch.cartesian_prod(axis, axis)
    for point, middle, size, ours in zip(points, centre, radius, found, strict=True):
        inside = (grid - middle).abs().sum(1) <= size
        best = (grid[inside] - point).norm(dim=1).min() if inside.any() else torch.inf
        assert (ours - point).norm() <= best + 1e-6
        assert (ours - middle).abs().sum() <= size * (1 + 1e-6)


@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("values", [1, 7, 300])
def test_the_sorted_solution(values, spread):
    """All breakpoints of the sum sorted, in float64, one row after the other."""
    points, centre, radius = _cases(12, values, values, spread)
    found = box_l1.project(points, centre, radius)
    assert ((found >= 0) & (found <= 1)).all()
    for row in range(len(points)):
        offset = (points[row].double() - centre[row].double()).numpy()
        room = np.where(offset > 0, 1 - centre[row].double(), centre[row].double())
        exact = _sorted(offset, room, float(radius[row]))
        assert found[row].double().numpy() == pytest.approx(centre[row].numpy() + exact, abs=3e-6)


def _sorted(offset: np.ndarray, room: np.ndarray, radius: float) -> np.ndarray:
    size = np.abs(offset)

    def kept(cut: float) -> np.ndarray:
        return np.minimum(np.maximum(size - cut, 0), room)

    cut = 0.0
    if kept(0).sum() > radius:
        breaks = np.sort(np.concatenate((size, np.maximum(size - room, 0), [0])))
        sums = [kept(at).sum() for at in breaks]
        place = max(index for index, total in enumerate(sums) if total >= radius)
        low, high = breaks[place], breaks[place + 1]
        slope = (sums[place] - sums[place + 1]) / (high - low)
        cut = low + (sums[place] - radius) / slope
    return np.sign(offset) * kept(cut)


def test_company_changes_no_bit():
    points, centre, radius = _cases(30, 500, 3)
    together = box_l1.project(points, centre, radius)
    for row in range(30):
        one = slice(row, row + 1)
        assert torch.equal(together[one], box_l1.project(points[one], centre[one], radius[one]))


def test_what_is_inside_stays():
    points, centre, _ = _cases(5, 20, 4, spread=1e-3)
    points.clamp_(0, 1)
    assert torch.equal(box_l1.project(points, centre, torch.full((5, 1), 50.0)), points)
    points[:, 0] = torch.nan
    assert box_l1.project(points, centre, torch.ones(5, 1)).isnan().any(1).all()
