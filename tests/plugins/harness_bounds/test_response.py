"""Bounds of local response norm: sampled, held against closed forms, and on AlexNet."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from harness.api import Classifier, Preprocessing, Status
from harness.engine.classifier import PixelClassifier
from harness.engine.workers import Workers
from harness.library.models import opened_model
from harness.testing import truth
from harness.testing.fakes import jobs_for, measure_all
from harness_bounds.certificates import logits
from harness_bounds.certified import Certified
from harness_bounds.graph import steps_of
from harness_bounds.lipschitz import Lipschitz
from harness_bounds.region import NORMS, Range
from harness_bounds.response import operator_norm, range_of, through
from harness_bounds.steps import Response
from harness_digits.architectures.alexnet import ResponseNorm
from harness_digits.data import digits

SHAPE = (6, 2, 2)


def pixels(module, shape=SHAPE):
    how = Preprocessing(shape[1:], channels="rgb" if shape[0] == 3 else shape[0])
    classes = module(torch.zeros(1, *shape)).shape[1]
    classifier = Classifier(module.eval(), how, classes)
    return PixelClassifier(classifier, device=torch.device("cpu"), fold_batch_norm=False)


def measured(measurement, model, images):
    with Workers(1) as workers:
        return measure_all(measurement, model, jobs_for(model, images, [None]), workers)


class Normed(nn.Module):
    """Pixels through a norm."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, images):
        return self.norm(images).flatten(1)


class Written(nn.Module):
    """A norm in words of its own."""

    def __init__(self, of):
        super().__init__()
        self.of = of

    def forward(self, x):
        return self.of(x)


def coupled(channels=6):
    """Weights of 1 for a channel itself, and of 100 for the one after it, of every other one."""
    weights = torch.eye(channels)
    weights[range(0, channels, 2), range(1, channels, 2)] = 100
    return weights[..., None, None]


NORMS_AS_WRITTEN = {
    "torch": nn.LocalResponseNorm(5, alpha=0.7, beta=0.75, k=1.5),
    "even": nn.LocalResponseNorm(4, alpha=2.0, beta=1.3, k=0.5),
    "digits": ResponseNorm(6),
    "coupled": Written(lambda x: x / (1 + functional.conv2d(x * x, coupled().to(x))) ** 0.75),
    "unit length": Written(lambda x: x / (x.square().sum(1, keepdim=True) + 1e-3).sqrt()),
    "reciprocal": Written(lambda x: x.pow(2).mean(1, keepdim=True).add(2).reciprocal() * x),
}


def response_of(norm):
    (step,) = (
        each for each in steps_of(pixels(Normed(norm)).graph).steps if isinstance(each, Response)
    )
    return step


def value_of(step, x):
    return x * step.sums.of(x[None] ** 2)[0] ** step.power


STEPS = {name: response_of(norm) for name, norm in NORMS_AS_WRITTEN.items()}


@pytest.mark.parametrize("name", NORMS_AS_WRITTEN)
def test_a_response_norm_is_recognised(name):
    norm = NORMS_AS_WRITTEN[name]
    images = torch.rand(1, *SHAPE)
    found = logits(steps_of(pixels(Normed(norm)).graph), images.double())
    torch.testing.assert_close(found, norm(images).flatten().double(), rtol=1e-5, atol=1e-6)


@given(st.sampled_from(sorted(STEPS)), st.integers(0, 2**32 - 1), st.floats(-3, 2))
@settings(max_examples=60, deadline=None)
def test_no_point_of_a_range_is_below_its_lines(name, seed, size):
    step, draw = STEPS[name], torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=draw)

    lower = random(1, *SHAPE)
    upper = lower + 10**size * random(1, *SHAPE).abs() * (random(1, *SHAPE) > -1)
    between, rows = Range(lower, upper), random(5, 1, *SHAPE)
    found, constant = through(step, rows, between)
    share = torch.rand(200, *SHAPE, dtype=torch.float64, generator=draw)
    share[::2] = share[::2].round()  # corners
    x = lower + share * (upper - lower)
    y = torch.vmap(partial(value_of, step))(x)
    below = torch.einsum("nchw,mchw->mn", x, found[:, 0]) + constant[:, None]
    assert (below <= torch.einsum("nchw,mchw->mn", y, rows[:, 0]) + 1e-9 * 10**size).all()
    low, high = range_of(step, between)
    assert ((low - 1e-9 <= y) & (y <= high + 1e-9)).all()


def test_at_a_point_the_lines_are_the_tangent():
    norm = NORMS_AS_WRITTEN["torch"]
    x = torch.randn(1, *SHAPE, dtype=torch.float64)
    rows = torch.randn(3, 1, *SHAPE, dtype=torch.float64)
    y, pull = torch.func.vjp(norm, x)
    for radius in (1e-3, 1e-4):
        found, constant = through(STEPS["torch"], rows, Range(x - radius, x + radius))
        here = (found * x).flatten(1).sum(1) + constant
        assert ((rows * y).flatten(1).sum(1) - here).abs().max() < 200 * radius**2
        assert (found - torch.stack([pull(row)[0] for row in rows])).abs().max() < 20 * radius


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", STEPS)
def test_no_jacobian_is_larger_than_the_constant(name, norm):
    step = STEPS[name]
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(300, *SHAPE, dtype=torch.float64, generator=draw)
    x *= 10 ** torch.linspace(-3, 2, 300, dtype=torch.float64).view(-1, 1, 1, 1)
    x[::2] = x[::2].abs().pow(3)
    x[0] = 0  # of "coupled" the point at which the first value depends most on its neighbour
    x[0, :2] = torch.tensor([1, 0.1]).view(2, 1, 1) * (2 / 3) ** 0.5
    jacobians = torch.vmap(torch.func.jacrev(partial(value_of, step)))(x).view(300, 24, 24)
    order = {"l1": 1, "l2": 2, "linf": math.inf}[norm]
    largest = float(torch.linalg.matrix_norm(jacobians, ord=order).max())
    bound = operator_norm(step, x[:1], norm)
    assert largest <= bound * (1 + 1e-12)
    assert largest > bound / 2.5


@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0])
def test_of_one_neighbour_the_constant_is_exact(beta):
    """x (k + a x^2)^-b is steepest at 0, where the slope is k^-b."""
    step = response_of(nn.LocalResponseNorm(1, alpha=3.0, beta=beta, k=2.0))
    for norm in NORMS:
        found = operator_norm(step, torch.zeros(1, *SHAPE, dtype=torch.float64), norm)
        assert found == pytest.approx(2**-beta, rel=1e-12)


class Compared(nn.Module):
    """Affine logits over one response norm: which is largest stays as it is."""

    def __init__(self, weights, bias):
        super().__init__()
        self.layer = nn.Conv2d(3, len(weights), 4)
        self.layer.weight.data = torch.as_tensor(weights).float().view(-1, 3, 4, 4)
        self.layer.bias.data = torch.as_tensor(bias).float()
        self.norm = nn.LocalResponseNorm(2 * len(weights), alpha=0.5, beta=0.75)

    def forward(self, images):
        return self.norm(self.layer(images)).flatten(1)


def test_where_the_distance_is_known_bounds_are_below_it_and_near():
    draw = np.random.default_rng(0)
    weights, bias = draw.normal(size=(3, 48)) / 8, draw.normal(size=3) / 8
    network, model = (
        truth.Linear(weights, bias, (3, 4, 4)),
        pixels(Compared(weights, bias), (3, 4, 4)),
    )
    image = torch.full((1, 3, 4, 4), 0.5)
    label = int(model.predict(image).argmax())
    for measurement, share in (
        (Lipschitz(), 0.25),
        (Certified(refinements=20), 0.25),
        (Certified(refinements=20, ranges="relaxed"), 0.9),
    ):
        (row,) = measured(measurement, model, image)
        for norm in NORMS:
            known = network.distance(image[0], label, norm)
            assert share * known < row.numbers[f"{norm}.score"] <= known * (1 + 1e-6)


@pytest.mark.parametrize(
    ("sums", "named"),
    [
        (lambda x: functional.avg_pool2d(x * x, 3, 1, 1), "across positions"),
        (lambda x: functional.conv2d(x * x, 1 - torch.eye(4)[..., None, None]), "of other values"),
    ],
)
def test_some_norms_have_lines_but_no_constant(sums, named):
    norm = Written(lambda x: x / (1 + sums(x)) ** 0.75)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.Flatten(), nn.Linear(64, 4))
    model, image = pixels(network, (3, 6, 6)), torch.rand(1, 3, 6, 6)
    (row,) = measured(Lipschitz(norms=("l2",)), model, image)
    assert row.status is Status.INVALID
    assert named in row.error
    (row,) = measured(Certified(norms=("l2",)), model, image)
    assert row.numbers["l2.score"] > 0


@pytest.mark.parametrize(
    ("of", "named"),
    [
        (lambda x: x * (x * x).rsqrt(), "aten.mul.Tensor"),
        (lambda x: x / (1 - x * x), "aten.mul.Tensor"),
        (lambda x: x * (1 + x * x).sqrt(), "aten.mul.Tensor"),
        (lambda x: x / (1 + x.flip(1) * x), "aten.mul.Tensor"),
        (lambda x: x.flip(1) / (1 + x * x), "aten.mul.Tensor"),
        (lambda x: 2 * (1 + x * x).rsqrt(), "aten.mul.Tensor"),
        (lambda x: torch.ones(6, 2, 2) / (1 + x * x), "aten.mul.Tensor"),
    ],
)
def test_what_is_no_response_norm_is_not_taken_for_one(of, named):
    model = pixels(Normed(Written(of)))
    for measurement in (Lipschitz(), Certified()):
        (row,) = measured(measurement, model, torch.rand(1, *SHAPE))
        assert row.status is Status.INVALID
        assert row.error.startswith(f"no bound is known of {named}")


def test_alexnet_has_bounds_that_no_image_is_below():
    model, _ = opened_model("digits-alexnet", (3, 32, 32), "cpu")
    image = torch.from_numpy(digits()[0][:1]).contiguous(memory_format=torch.channels_last)
    label = int(model.predict(image).argmax())
    (whole,) = measured(Lipschitz(norms=("l2",)), model, image)
    (local,) = measured(Certified(norms=("linf",), halvings=16, refinements=0), model, image)
    assert whole.numbers["l2.score"] > 0
    radius = local.numbers["linf.score"]
    assert radius > 1e-5
    draw = torch.Generator().manual_seed(0)
    signs = torch.randn(200, 3, 32, 32, generator=draw).sign()
    assert (model.predict((image + radius * signs).clamp(0, 1)).argmax(1) == label).all()
