"""Intervals of frontier residuals, against a plain resampling and against the truth."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from harness.analysis.bootstrap import intervals
from harness.api.frontier import Fit, Point, frontier
from harness.api.paired import Sample

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "interval_coverage.py"


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_benchmark", BENCHMARK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def toy(seed: int = 0, images: int = 40) -> dict[str, Sample]:
    """Six models, the last without errors; predictions and values of some images are missing."""
    random = np.random.default_rng(seed)
    samples = {}
    for number, name in enumerate("abcdef"):
        correct = random.random(images) < (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)[number]
        right = {i: bool(correct[i]) for i in range(images) if (i + number) % 9}
        values = {
            i: float(random.gamma(4) / (4 + number)) for i in range(0, images, 2) if right.get(i)
        }
        samples[name] = Sample(right, values)
    return samples


def plain(
    samples: Mapping[str, Sample], drawn: list[int]
) -> tuple[dict[str, float | None], set[str]]:
    """The distances and the frontier's members of one replicate, image by image."""
    points = []
    for name, sample in samples.items():
        right = [sample.right[i] for i in drawn if i in sample.right]
        values = [sample.values[i] for i in drawn if i in sample.values]
        if right and values:
            points.append(Point(name, sum(right), len(right), math.fsum(values) / len(values)))
    curve = frontier(points)
    return (
        {point.name: curve.distance(point) for point in points},
        {point.name for point in curve.members},
    )


def test_they_are_those_of_a_plain_resampling() -> None:
    samples, replicates = toy(), 150
    found = intervals(samples, replicates=replicates, seed=3)
    draws = np.random.default_rng(3).integers(40, size=(replicates, 40))
    distances: dict[str, list[float]] = {name: [] for name in samples}
    on = dict.fromkeys(samples, 0)
    fits = 0
    for row in draws.tolist():
        replicate, members = plain(samples, row)
        fits += any(value is not None for value in replicate.values())
        for name, value in replicate.items():
            if value is not None:
                distances[name].append(value)
        for name in members:
            on[name] += 1
    assert (found.replicates, found.fits) == (replicates, fits)
    assert fits > 0
    assert sum(on.values()) > 3 * replicates
    for name, spread in found.spreads.items():
        assert spread.on_frontier == pytest.approx(on[name] / replicates)
        assert spread.distance == pytest.approx(tuple(np.quantile(distances[name], [0.025, 0.975])))


def test_models_stay_paired() -> None:
    """Two models with the same images move together: their gap has no interval at all."""
    sample = toy()["c"]
    twin = Sample(sample.right, {image: value + 0.1 for image, value in sample.values.items()})
    samples = {"mine": sample, "twin": twin}
    found = intervals(samples, replicates=200, fit=Fit(1.0, 0.1, None))
    mine, other = found.spreads["mine"].distance, found.spreads["twin"].distance
    assert mine is not None
    assert other is not None
    assert [b - a for a, b in zip(mine, other, strict=True)] == pytest.approx([0.1, 0.1])
    assert (found.spreads["mine"].on_frontier, found.spreads["twin"].on_frontier) == (0, 1)


def test_a_given_fit_and_given_accuracies_leave_only_the_distortions_spread() -> None:
    values = dict.fromkeys(range(20), 1.0)
    samples = {
        name: Sample({i: i > 5 for i in range(20)}, values, accuracy)
        for name, accuracy in (("a", 0.75), ("b", 1.0))
    }
    found = intervals(samples, replicates=100, fit=Fit(0.5, 0.1, None))
    assert (found.fits, found.a, found.b) == (100, None, None)
    for name, error in (("a", 0.25), ("b", 0.005)):
        wanted = 1 - (0.5 + 0.1 * math.log(error))
        assert found.spreads[name].distance == pytest.approx((wanted, wanted))


def test_the_same_images_give_the_same_intervals_whatever_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = intervals(toy(), replicates=100)
    assert whole == intervals(toy(), replicates=100)
    assert whole != intervals(toy(), replicates=100, seed=1)
    monkeypatch.setattr("harness.analysis.bootstrap.BLOCK", 7 * 40)
    assert intervals(toy(), replicates=100).spreads.keys() == whole.spreads.keys()
    assert intervals(toy(), replicates=100).fits == whole.fits


def test_too_few_models_or_images_have_no_interval() -> None:
    two = {name: toy()[name] for name in "ab"}
    found = intervals(two, replicates=50)
    assert (found.fits, found.a) == (0, None)
    assert [spread.distance for spread in found.spreads.values()] == [None, None]
    assert intervals({}, replicates=50).spreads == {}
    rare = {**toy(), "rare": Sample({0: True, 1: False}, {0: 1.0})}
    assert intervals(rare, replicates=50).spreads["rare"].on_frontier < 1


@pytest.mark.parametrize("separation", [0.02, 0.1, 0.4])
def test_nominal_95_percent_intervals_hold_the_truth_at_1000_images(
    coverage: ModuleType, separation: float
) -> None:
    found = coverage.coverage(separation, boards=60, images=1000, replicates=200)
    assert 0.88 <= found.mean() <= 0.98


def test_the_truth_of_the_benchmark_is_the_populations(coverage: ModuleType) -> None:
    truth = coverage.population(0.4)
    sample = coverage.board(truth, 200_000, np.random.default_rng(0))
    for number in (0, 9, 17):
        drawn = sample[str(number)]
        assert np.mean(list(drawn.right.values())) == pytest.approx(
            truth.accuracy[number], abs=0.01
        )
        assert np.mean(list(drawn.values.values())) == pytest.approx(
            truth.robustness[number], rel=0.01
        )


def test_noisy_points_give_back_a_and_b() -> None:
    """Over many boards the fitted (a, b) scatter around the true ones as least squares has it."""
    a, b, noise = 0.062, 0.029, 0.0002
    errors = np.linspace(0.45, 0.15, 8)
    logs = np.log(errors)
    random = np.random.default_rng(0)
    fits = []
    for _ in range(300):
        y = a + b * logs + noise * random.standard_normal(8)
        curve = frontier([Point(str(i), (1 - errors[i]) * 1e6, 1e6, float(y[i])) for i in range(8)])
        assert curve.fit is not None
        assert len(curve.members) == 8  # the noise is too small to hide any
        fits.append((curve.fit.a, curve.fit.b))
    covariance = noise**2 * np.linalg.inv([[8, logs.sum()], [logs.sum(), (logs**2).sum()]])
    spread = np.sqrt(np.diag(covariance))
    assert np.abs(np.mean(fits, axis=0) - (a, b)) == pytest.approx(
        0, abs=4 * spread.max() / math.sqrt(300)
    )
    assert np.std(fits, axis=0) == pytest.approx(spread, rel=0.15)
