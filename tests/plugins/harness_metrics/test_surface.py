"""Surfaces against closed forms, and along the direction of a real attack."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from harness.api import Goal, Passes, Status
from harness.testing.fakes import jobs_for, linear_model, measure_all, pixel_model, plane_model
from harness_metrics.crossing import first_crossing
from harness_metrics.surface import Surface

WEIGHTS = torch.randn((4, 12), generator=torch.Generator().manual_seed(0))
BIAS = torch.tensor([0.3, -0.1, 0.0, 0.2])
IMAGES = torch.rand((3, 3, 2, 2), generator=torch.Generator().manual_seed(1))


def direction(image: torch.Tensor, seed: int, first: torch.Tensor) -> torch.Tensor:
    """d2 as the documentation says: Gaussian, orthogonal to d1, of its length."""
    from harness.api import Subject

    generator = Subject(image, 0, None, seed).generator("second")
    drawn = torch.randn(first.shape, generator=generator).double()
    first = first.double()
    drawn -= first * (drawn * first).sum() / (first * first).sum()
    return drawn * first.norm() / drawn.norm()


@pytest.fixture
def model():
    return linear_model(WEIGHTS, BIAS, size=(2, 2))


@pytest.mark.parametrize("target", [None, 2])
@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_linear_model_in_its_closed_form(model, workers, target, size):
    job = replace(jobs_for(model, IMAGES[:1], [target])[0])
    (row,) = measure_all(Surface(points=7, extent=0.2), model, [job], workers, batch_size=size)
    assert row.passes == Passes(7 * 7 + 1, 1)
    weights, image = WEIGHTS.double(), IMAGES[0].double()
    p = torch.softmax(weights @ image.flatten() + BIAS, 0)
    wrong = p.clone()
    wrong[job.label if target is None else target] -= 1
    gradient = (wrong @ weights).view_as(image)  # of the cross-entropy
    first = gradient.sign() if target is None else -gradient.sign()
    second = direction(IMAGES[0], job.seed, first)
    a, b = row.arrays["a"], row.arrays["b"]
    assert a.tolist() == pytest.approx(np.linspace(-0.2, 0.2, 7).tolist())
    for place, (beta, alpha) in enumerate((beta, alpha) for beta in b for alpha in a):
        logits = weights @ (image + alpha * first + beta * second).flatten() + BIAS
        others = max(logits[other] for other in range(4) if other != job.label)
        loss = torch.logsumexp(logits, 0) - logits[job.label]
        assert row.arrays["loss"][place] == pytest.approx(float(loss), abs=1e-5)
        assert row.arrays["margin"][place] == pytest.approx(
            float(logits[job.label] - others), abs=1e-5
        )
    assert row.numbers["length"] == pytest.approx(math.sqrt(12))


def test_the_centre_is_the_clean_image(workers):
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)
    )  # fmt: skip
    model = pixel_model(network, classes=5, size=(8, 8))
    images = torch.rand((3, 3, 8, 8), generator=torch.Generator().manual_seed(1))
    logits = model.predict(images).double()
    jobs = jobs_for(model, images, [None] * 3)
    for number, row in enumerate(measure_all(Surface(points=5), model, jobs, workers)):
        label = jobs[number].label
        clean = float(torch.logsumexp(logits[number], 0) - logits[number, label])
        assert row.numbers["loss"] == pytest.approx(clean, abs=1e-6)
        assert row.arrays["loss"][12] == pytest.approx(clean, abs=1e-6)
        best = logits[number].sort(descending=True).values
        assert row.numbers["margin"] == pytest.approx(float(best[0] - best[1]), abs=1e-6)


def test_the_plane_depends_on_the_seed_alone(model, workers):
    jobs = jobs_for(model, IMAGES, [None] * 3)
    asked = Surface(points=5)
    one, again = (measure_all(asked, model, jobs, workers, batch_size=n)[0] for n in (3, 64))
    assert one.arrays["margin"].tolist() == pytest.approx(again.arrays["margin"].tolist(), abs=1e-5)
    (other,) = measure_all(asked, model, [replace(jobs[0], seed=99)], workers)
    # The middle row is along d1, which is not drawn.
    assert other.arrays["margin"][10:15].tolist() == one.arrays["margin"][10:15].tolist()
    assert np.abs(other.arrays["margin"] - one.arrays["margin"]).max() > 1e-3


def test_along_an_attack_the_candidate_is_at_one(model, workers):
    job = jobs_for(model, IMAGES[:1], [None])[0]
    candidate = (IMAGES[0] + 0.7 * torch.randn(3, 2, 2)).clamp(0, 1)
    asked = Surface(points=31, direction="attack", attack="any")
    (row,) = measure_all(asked, model, [replace(job, adversarial=candidate)], workers)
    assert row.passes == Passes(31 * 31 + 1, 0)
    grid = dict(
        zip(row.arrays["a"].tolist(), row.arrays["margin"].reshape(31, 31)[15], strict=True)
    )
    assert grid[1.0] == pytest.approx(row.numbers["attack_margin"], abs=1e-6)
    logits = model.predict(candidate[None])[0]
    others = logits.clone()
    others[job.label] = -math.inf
    assert row.numbers["attack_margin"] == pytest.approx(float(logits[job.label] - others.max()))
    far = float((candidate - IMAGES[0]).norm())
    assert row.numbers["attack_distance"] == pytest.approx(far)
    assert row.numbers["length"] == pytest.approx(far)


def test_a_real_attack_crosses_where_it_says(workers):
    """C&W's candidates of a digits model are just across the boundary."""
    from harness.engine.device import resolve_device
    from harness.execute.worker.model_cache import load_model
    from harness.plugins import Kind, installed
    from harness.registry import load
    from harness.resolve.components import dataset_component, found_model
    from harness.testing.fakes import attack_all

    catalog, registry = installed(), load([])
    _, spec = found_model(registry.models["digits-resnet_v2_50"], catalog)
    model = load_model(*spec, resolve_device("cpu"), fold_batch_norm=True).model
    _, dataset = dataset_component(registry.datasets["digits"], catalog, root=None)
    samples = [s for s in dataset.samples() if s.id in ("0010", "0012", "0014")]
    images = torch.stack([torch.from_numpy(dataset.read(s, (32, 32), None)) for s in samples])
    jobs = jobs_for(model, images, [None] * 3)
    kind = catalog.get(Kind.ATTACK, "cw").load()
    judged = attack_all(kind(**{**kind.presets["fast"], "learning_rate": 0.05}), model, jobs)
    assert all(each.outcome.status is Status.BROKEN for each in judged)
    starts = [
        replace(job, adversarial=each.candidate) for job, each in zip(jobs, judged, strict=True)
    ]
    asked = Surface(direction="attack", attack="cw")
    for row, attacked in zip(measure_all(asked, model, starts, workers), judged, strict=True):
        # The verdict's margin is the goal's, the surface's the true class's.
        assert row.numbers["attack_margin"] == pytest.approx(
            -attacked.outcome.verdict.margin, abs=1e-5
        )
        middle = row.arrays["margin"].reshape(31, 31)[15]
        assert middle[25] == pytest.approx(-attacked.outcome.verdict.margin, abs=1e-4)
        assert row.numbers["attack_distance"] == pytest.approx(attacked.outcome.norms.l2, rel=1e-5)
        assert abs(row.numbers["crossing"] - 1) <= 0.1, "a grid step"


def test_the_crossing_of_a_straight_boundary(workers):
    model = plane_model(lambda at: 2 - 5 * at[:, 0])
    job = jobs_for(model, torch.full((1, 3, 1, 1), 0.3), [None])[0]
    (row,) = measure_all(Surface(points=11, extent=0.2), model, [job], workers)
    assert row.numbers["crossing"] == pytest.approx(0.1, abs=1e-6)
    (row,) = measure_all(Surface(points=11, extent=0.05), model, [job], workers)
    assert "crossing" not in row.numbers


@given(st.lists(st.floats(-3, 3, width=32), min_size=2, max_size=20), st.floats(0.01, 9))
def test_the_first_crossing_by_brute_force(values, step):
    a, margin = np.arange(len(values)) * step, np.array([1.0, *values[1:]])
    found = first_crossing(a, margin)
    dense = np.linspace(0, a[-1], 4001)
    below = dense[np.interp(dense, a, margin) <= 0]
    if found is None:
        assert margin.min() > 0
    else:
        assert np.interp(found, a, margin) == pytest.approx(0, abs=1e-9)
        assert not len(below) or found <= below.min() + 1e-9  # 0 may be touched between them
        assert np.interp(np.linspace(0, found, 99)[:-1], a, margin).min() > -1e-9


def test_numbers_again_from_the_arrays(model, workers):
    job = jobs_for(model, IMAGES[:1], [None])[0]
    asked = Surface(direction="attack", attack="any", points=9, extent=4)
    start = replace(job, adversarial=1 - IMAGES[0])
    (row,) = measure_all(asked, model, [start], workers)
    again = asked.again(row.numbers, row.arrays)
    assert again.numbers == row.numbers


def test_clip_keeps_points_in_the_pixel_range(workers):
    seen: list[float] = []

    def watching(at):
        seen.extend((float(at.detach().min()), float(at.detach().max())))
        return 3 * at[:, 0] + at[:, 1]

    model = plane_model(watching)
    job = jobs_for(model, torch.full((1, 3, 1, 1), 0.9), [None])[0]
    measure_all(Surface(points=5, extent=0.5, clip=True), model, [job], workers)
    assert min(seen) >= 0
    assert max(seen) <= 1
    measure_all(Surface(points=5, extent=0.5), model, [job], workers)
    assert max(seen) > 1.3


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda at: 0 * at.sum(1) + 4, "the gradient is 0 everywhere"),
        (lambda at: at[:, 0] * math.nan, "NaN"),
        (lambda at: torch.where(at[:, 0] > 0.55, math.nan, 2 + at[:, 0]), "on the surface"),
    ],
)
def test_what_has_no_surface_has_a_reason(workers, function, words):
    model = plane_model(function)
    job = jobs_for(plane_model(lambda at: 0 * at[:, 0] + 1), torch.full((1, 3, 1, 1), 0.5), [None])
    (row,) = measure_all(Surface(points=5), model, job, workers)
    assert row.status is Status.INVALID
    assert words in row.error
    assert not row.arrays


def test_a_candidate_that_did_not_move_has_no_direction(model, workers):
    job = jobs_for(model, IMAGES[:1], [None])[0]
    asked = Surface(direction="attack", attack="any")
    for start, words in ((IMAGES[0], "is the image itself"), (None, "no candidate")):
        (row,) = measure_all(asked, model, [replace(job, adversarial=start)], workers)
        assert row.status is Status.INVALID
        assert words in row.error


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"points": 30}, "odd"),
        ({"points": 1}, "greater"),
        ({"direction": "attack"}, "need each other"),
        ({"attack": "cw"}, "need each other"),
        ({"direction": "attack", "attack": "cw", "extent": 0.5}, "at least 1"),
        ({"extent": 0}, "greater"),
    ],
)
def test_settings_that_make_no_sense(given, words):
    with pytest.raises(ValidationError, match=words):
        Surface(**given)


def test_what_it_starts_from_and_costs():
    assert Surface().starts_from is None
    assert Surface(direction="attack", attack="cw").starts_from == "cw"
    assert Surface().passes(Goal.UNTARGETED, 10) == Passes(31**2 + 1, 1)
