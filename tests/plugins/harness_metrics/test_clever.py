"""CLEVER against closed forms, brute force in the plane, scipy, and bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from harness.api import Goal, Status, Subject
from harness.engine.jobs import Job
from harness.testing.fakes import jobs_for, linear_model, measure_all, pixel_model, plane_model
from harness_metrics.clever import Clever
from harness_metrics.fit import STARTS, fit

DUAL = {"l1": math.inf, "l2": 2, "linf": 1}


def test_linear_scores_are_the_margin_over_the_dual_norm(workers):
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn((4, 3 * 4 * 4), generator=generator)
    model = linear_model(weights, torch.randn(4, generator=generator), size=(4, 4))
    images = torch.rand((3, 3, 4, 4), generator=generator)
    jobs = jobs_for(model, images, [None, None, None])
    clever = Clever(batches=6, samples=8, radius_l1=1000, radius_l2=1000, radius_linf=1000)
    targeted = [
        Job(job.cell, f"t{job.image_id}", job.image, job.label, (job.label + 1) % 4, job.seed)
        for job in jobs
    ]
    jobs = [*jobs, *targeted]
    for job, row in zip(jobs, measure_all(clever, model, jobs, workers), strict=True):
        assert row.status is Status.MEASURED
        logits = model.predict(job.image[None])[0].double()
        others = [c for c in range(4) if c != job.label]
        if job.target is not None:
            others = [job.target]
        for norm, order in DUAL.items():
            scores = {
                other: float(
                    (logits[job.label] - logits[other])
                    / torch.linalg.vector_norm(
                        weights[job.label].double() - weights[other].double(), order
                    )
                )
                for other in others
            }
            least = min(scores, key=scores.__getitem__)
            assert row.numbers[f"{norm}.score"] == pytest.approx(scores[least], rel=1e-4)
            assert row.numbers[f"{norm}.class"] == least
            assert row.numbers[f"{norm}.fallback"] == 1
            if len(others) > 1:
                each = {c: row.numbers[f"{norm}.{c}.score"] for c in others}
                assert each == pytest.approx(scores, rel=1e-4)
        # Three norms, from samples of their own, and the image itself; a backward for each class.
        assert row.passes.forwards == 1 + 3 * 6 * 8
        assert row.passes.backwards == 3 * 6 * 8 * len(others)


def test_a_score_beyond_the_radius_is_the_radius_where_it_is_capped(workers):
    model = linear_model(torch.tensor([[1.0, 0, 0], [0, 0, 0]]), torch.zeros(2), size=(1, 1))
    jobs = jobs_for(model, torch.full((1, 3, 1, 1), 0.5), [None])
    small = {"batches": 3, "samples": 4, "radius_l2": 0.25}
    (capped,) = measure_all(Clever(**small), model, jobs, workers)
    (free,) = measure_all(Clever(**small, cap=False), model, jobs, workers)
    assert capped.numbers["l2.score"] == 0.25
    assert free.numbers["l2.score"] == pytest.approx(0.5, rel=1e-4)


def brute(function, norm: str, radius: float, centre: torch.Tensor) -> float:
    """The largest dual norm of the gradient over a fine grid of the ball in the plane."""
    steps = torch.linspace(-radius, radius, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(steps, steps)
    order = {"l1": 1, "l2": 2, "linf": math.inf}[norm]
    grid = grid[torch.linalg.vector_norm(grid, order, dim=1) <= radius]
    points = (centre.double() + grid).requires_grad_(True)
    (gradients,) = torch.autograd.grad(function(points).sum(), points)
    return float(torch.linalg.vector_norm(gradients, DUAL[norm], dim=1).max())


def quadratic(points: torch.Tensor) -> torch.Tensor:
    return 1 + points[:, 0] - 0.7 * points[:, 1] ** 2 + 0.3 * points[:, 0] * points[:, 1]


def relu_network():
    generator = torch.Generator().manual_seed(11)
    first = torch.randn((12, 2), generator=generator, dtype=torch.float64)
    shift = torch.randn(12, generator=generator, dtype=torch.float64) * 0.5
    last = torch.randn(12, generator=generator, dtype=torch.float64)

    def function(points):
        hidden = torch.relu(points.double() @ first.T + shift)
        return (hidden @ last + 4).to(points.dtype)

    return function


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
@pytest.mark.parametrize(
    ("function", "within"), [(quadratic, 0.02), (relu_network(), 0.05)], ids=["quadratic", "relu"]
)
def test_the_location_is_the_largest_gradient_in_the_ball(workers, function, within, norm):
    radius = 0.5
    model = plane_model(function)
    job = Job("cell", "0", torch.tensor([0.4, 0.6, 0.5]).view(3, 1, 1), 0, 1, seed=5)
    clever = Clever(
        norms=(norm,), batches=100, samples=128,
        radius_l1=radius, radius_l2=radius, radius_linf=radius,
    )  # fmt: skip
    (row,) = measure_all(clever, model, [job], workers, batch_size=512)
    expected = brute(function, norm, radius, torch.tensor([0.4, 0.6]))
    assert row.numbers[f"{norm}.lipschitz"] == pytest.approx(expected, rel=within)
    margin = float(function(torch.tensor([[0.4, 0.6]])))
    score = min(margin / expected, radius)
    assert row.numbers[f"{norm}.score"] == pytest.approx(score, rel=within)


def plain_fit(maxima: np.ndarray) -> tuple[float, float, float, float]:
    """(location, scale, shape, p), written down from the description with scipy alone."""
    from scipy import stats

    values = np.asarray(maxima, dtype=float)
    best = (-1.0,)
    for start in (0.1, 1, 5, 10, 20, 50, 100):
        s = (values - values.max()) / (values.max() - values.min())
        with np.errstate(all="ignore"):
            c, loc, scale = stats.weibull_min.fit(-s, start)
            p = stats.kstest(-s, lambda x, *a: stats.weibull_min.cdf(x, *a), args=(c, loc, scale))[
                1
            ]
        if p > best[0]:
            best = (p, c, loc, scale)
    p, c, loc, scale = best
    width = values.max() - values.min()
    return values.max() - loc * width, scale * width, c, p


@pytest.mark.parametrize(("count", "shape"), [(12, 1.5), (40, 4.0), (200, 7.0)])
def test_the_fit_equals_scipys(count, shape):
    maxima = (3 - np.random.default_rng(count).weibull(shape, count)).astype(np.float32)
    found = fit(maxima)
    assert not found.fallback
    assert (found.location, found.scale, found.shape, found.p) == pytest.approx(
        plain_fit(maxima), rel=1e-6
    )


def test_a_fit_that_runs_off_to_infinity_is_none():
    """Gumbel maxima: the plain fit puts the location as far as its optimiser happens to go."""
    ran_off = 0
    for seed in range(6):
        maxima = 3 - np.random.default_rng(seed).gumbel(size=60) * 0.1
        maxima = 2 * maxima.mean() - maxima
        span = maxima.max() - maxima.min()
        ran_off += plain_fit(maxima)[0] > maxima.max() + 100 * span
        assert fit(maxima).location <= maxima.max() + 100 * span
    assert ran_off


def test_maxima_that_fit_nothing_fall_back_to_the_largest():
    two_heaps = np.repeat([1.0, 2.0], 200) + np.linspace(0, 1e-3, 400)
    found = fit(two_heaps)
    assert found.fallback
    assert found.location == found.largest == two_heaps.max()
    assert fit(np.full(7, 2.5)).location == 2.5
    assert fit(np.array([2.5])).location == 2.5
    assert len(STARTS) == 7


@pytest.fixture(scope="module")
def curved():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.Softplus(), nn.Flatten(), nn.Linear(6 * 64, 5)
    )
    return pixel_model(network, classes=5, size=(8, 8))


def test_batch_size_and_batch_mates_change_nothing(curved, workers):
    images = torch.rand((3, 3, 8, 8), generator=torch.Generator().manual_seed(1))
    jobs = jobs_for(curved, images, [None, None, None])
    for changes in ({}, Clever.presets["survey-code"]):
        clever = Clever(**{**changes, "batches": 10, "samples": 70})
        wide = measure_all(clever, curved, jobs, workers, batch_size=512)
        narrow = measure_all(clever, curved, jobs[::-1], workers, batch_size=7)[::-1]
        for one, other in zip(wide, narrow, strict=True):
            assert one.arrays.keys() == other.arrays.keys()
            for name, maxima in one.arrays.items():
                np.testing.assert_allclose(maxima, other.arrays[name], rtol=1e-5)
            assert len({tuple(maxima) for maxima in one.arrays.values()}) == len(one.arrays)
            assert one.passes.forwards == other.passes.forwards
    seeds = [Job(job.cell, "again", job.image, job.label, None, seed=99) for job in jobs[:1]]
    (other,) = measure_all(clever, curved, seeds, workers)
    assert all((other.arrays[name] != maxima).any() for name, maxima in wide[0].arrays.items())


def test_stored_maxima_can_be_fitted_again(curved, workers):
    jobs = jobs_for(curved, torch.rand((1, 3, 8, 8)), [None])
    (row,) = measure_all(Clever(batches=20, samples=16), curved, jobs, workers)
    for name, maxima in row.arrays.items():
        assert maxima.dtype == np.float32
        assert fit(maxima).location == row.numbers[f"{name}.lipschitz"]


def test_the_sequential_stop_saves_batches_and_changes_none_of_those_made(curved, workers):
    jobs = jobs_for(curved, torch.rand((1, 3, 8, 8)), [None])
    common = {"norms": ("l2",), "batches": 200, "samples": 32, "top": 1}
    (loose,) = measure_all(Clever(**common, tolerance=0.5), curved, jobs, workers)
    (whole,) = measure_all(Clever(**common), curved, jobs, workers)
    made = int(loose.numbers["l2.batches"])
    assert made < 200
    assert loose.numbers["l2.saved_batches"] == 200 - made
    assert loose.passes.forwards == 1 + made * 32
    (name,) = loose.arrays
    np.testing.assert_allclose(loose.arrays[name], whole.arrays[name][:made], rtol=1e-5)
    assert loose.numbers["l2.score"] == pytest.approx(whole.numbers["l2.score"], rel=0.5)


@pytest.mark.parametrize("ball", ["l1", "l2", "linf"])
def test_no_two_samples_are_alike(ball):
    from harness_metrics.samples import blocks

    subject = Subject(torch.full((3, 2, 2), 0.5), 0, None, seed=4)
    drawn = list(blocks(subject, ball, range(3), 150, radius=0.2, radial=False, clip=False))
    assert [batch for batch, _ in drawn] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    samples = torch.cat([block for _, block in drawn]).flatten(1)
    assert len(samples) == len({tuple(row) for row in samples.tolist()}) == 450
    later = list(blocks(subject, ball, range(2, 3), 150, radius=0.2, radial=False, clip=False))
    assert torch.equal(torch.cat([block for _, block in later]).flatten(1), samples[300:])


def test_samples_lie_in_their_balls():
    from harness_metrics.samples import offsets

    generator = torch.Generator().manual_seed(0)
    for ball, order in (("l1", 1), ("l2", 2), ("linf", math.inf)):
        drawn = offsets(
            ball, 4000, (3, 1, 1), radius=2.0, radial=False, generator=generator
        ).flatten(1)
        lengths = torch.linalg.vector_norm(drawn, order, dim=1)
        assert lengths.max() <= 2.0 + 1e-5
        # Uniform in three dimensions: the share within half the radius is 1/8.
        assert float((lengths < 1).float().mean()) == pytest.approx(1 / 8, abs=0.02)
        assert drawn.mean(0).abs().max() < 0.05
    radial = offsets("l2", 4000, (3, 1, 1), radius=2.0, radial=True, generator=generator).flatten(1)
    within = (torch.linalg.vector_norm(radial, dim=1) < 1).float().mean()
    assert float(within) == pytest.approx(1 / 2, abs=0.03)


@pytest.mark.parametrize(
    "wrong",
    [
        {"samples": 0},
        {"batches": 0},
        {"norms": ()},
        {"tolerance": 0.0},
        {"top": 0},
        {"radius_l2": 0.0},
        {"radius_l1": -1.0},
    ],
)
def test_parameters_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError):
        Clever(**wrong)


def test_one_sample_a_batch_gives_each_image_a_status_and_a_reason(curved, workers):
    jobs = jobs_for(curved, torch.rand((2, 3, 8, 8)), [None, None])
    for row in measure_all(Clever(batches=3, samples=1), curved, jobs, workers):
        assert row.status is Status.INVALID
        assert "one sample per batch" in row.error
        assert not row.numbers
        assert row.passes.forwards == 0


def test_samples_that_are_all_equal_fall_back_to_their_gradient(workers, monkeypatch):
    def still(ball, count, shape, radius, radial, generator):
        return torch.full((count, *shape), 0.25)

    monkeypatch.setattr("harness_metrics.samples.offsets", still)
    model = plane_model(quadratic)
    job = Job("cell", "0", torch.tensor([0.4, 0.6, 0.5]).view(3, 1, 1), 0, 1, seed=5)
    (row,) = measure_all(Clever(norms=("l2",), batches=5, samples=8), model, [job], workers)
    assert row.status is Status.MEASURED
    assert row.numbers["l2.fallback"] == 1
    x, y = 0.65, 0.85
    slope = math.hypot(1 + 0.3 * y, -1.4 * y + 0.3 * x)
    assert row.numbers["l2.lipschitz"] == pytest.approx(slope, rel=1e-5)


def test_the_passes_told_beforehand_are_those_made(curved, workers):
    jobs = jobs_for(curved, torch.rand((1, 3, 8, 8)), [None])
    for clever in (Clever(batches=4, samples=6), Clever(batches=3, samples=4, top=2)):
        (row,) = measure_all(clever, curved, jobs, workers)
        passes = clever.passes(Goal.UNTARGETED, 5)
        assert row.passes == passes


def test_a_model_without_gradients_has_no_score_and_a_reason(workers):
    def flat(points):
        return 0 * points.sum(1) + 1

    model = plane_model(flat)
    job = Job("cell", "0", torch.full((3, 1, 1), 0.5), 0, None, seed=0)
    (row,) = measure_all(Clever(batches=3, samples=4), model, [job], workers)
    assert row.status is Status.INVALID
    assert "gradients are zero" in row.error
    assert not any(name.endswith("score") for name in row.numbers)


@pytest.mark.parametrize("where", ["at the image", "around it"])
def test_nan_costs_the_image_its_score_and_nobody_else(workers, where):
    def bad(points):
        edge = -1 if where == "at the image" else 0.61
        hole = (points[:, 0] > edge) & (points[:, 1] < 0.55)
        return torch.where(hole, torch.nan, points[:, 0] + 1)

    model = plane_model(bad)
    jobs = [
        Job("cell", str(at), torch.tensor([0.6, at, 0.5]).view(3, 1, 1), 0, 1, seed=0)
        for at in (0.5, 0.9)
    ]
    clever = Clever(batches=4, samples=16, norms=("linf",), radius_linf=0.1)
    poor, fine = measure_all(clever, model, jobs, workers)
    assert poor.status is Status.INVALID
    assert "NaN" in poor.error
    assert not poor.numbers
    assert fine.status is Status.MEASURED
