"""Lower bounds: closed forms, distances that are known, and images that would refute them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from harness.api import Classifier, Preprocessing, Status
from harness.engine.classifier import PixelClassifier
from harness.engine.workers import Workers
from harness.testing import truth
from harness.testing.fakes import jobs_for, measure_all
from harness_bounds.certified import Certified
from harness_bounds.graph import steps_of
from harness_bounds.lipschitz import Lipschitz
from harness_bounds.region import NORMS, Range, Region
from harness_bounds.relaxation import lines, lowest, ranges

SHAPE = (3, 6, 6)
CLASSES = 4


def measured(measurement, classifier, images, targets=None):
    model = PixelClassifier(classifier, device=torch.device("cpu"), fold_batch_norm=False)
    jobs = jobs_for(model, images, targets or [None] * len(images))
    with Workers(1) as workers:
        return measure_all(measurement, model, jobs, workers)


def predicted(network, image):
    return int(network.logits(image.astype(float).reshape(1, -1)).argmax())


class Branches(nn.Module):
    """Everything that bounds can be carried through, in one network."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.wide, self.narrow = nn.Conv2d(4, 3, 3, padding=1, groups=1), nn.Conv2d(4, 3, 1)
        self.head, self.last = nn.Linear(6 * 9, 5), nn.Linear(5, CLASSES)
        self.norm.running_mean.uniform_(-0.2, 0.2)
        self.norm.running_var.uniform_(0.5, 2)
        self.norm.weight.data.uniform_(-1.5, 1.5)

    def forward(self, images):
        x = torch.relu(self.norm(self.first(images)))
        x = x + nn.functional.relu6(3 * x - 1) / 2 - nn.functional.avg_pool2d(x, 3, 1, 1)
        both = torch.cat((self.wide(x), -self.narrow(x)), 1)
        x = nn.functional.max_pool2d(nn.functional.pad(both, (1, 0, 1, 0), value=0.1), 3, 2)
        return self.last(torch.clamp(self.head(x.flatten(1)), -1.0, 2.0))


def branches(seed):
    return Classifier(Branches(seed).eval(), Preprocessing(SHAPE[1:], (0.5,), (0.5,)), CLASSES)


def test_lines_bound_a_ramp():
    for low, high in ((0.0, math.inf), (0.0, 6.0), (-1.0, 1.0), (-math.inf, 2.0)):
        ends = torch.linspace(-9, 9, 25, dtype=torch.float64)
        lower, upper = (each.flatten() for each in torch.meshgrid(ends, ends, indexing="ij"))
        lower, upper = lower[lower <= upper], upper[lower <= upper]
        (below, under), (above, over) = lines(Range(lower, upper), low, high)
        for share in torch.linspace(0, 1, 33):
            x = lower + share * (upper - lower)
            y = x.clamp(low, high)
            assert (below * x + under <= y + 1e-12).all()
            assert (above * x + over >= y - 1e-12).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("refine", [False, True])
@pytest.mark.parametrize("seed", [0])
def test_no_image_of_a_region_is_below_its_bound(norm, refine, seed):
    model = PixelClassifier(branches(seed), device=torch.device("cpu"), fold_batch_norm=False)
    steps = steps_of(model.graph)
    draw = np.random.default_rng(seed)
    image = torch.rand(1, *SHAPE, dtype=torch.float64)
    rows = torch.as_tensor(draw.normal(size=(5, 1, CLASSES)))
    radius = {"l1": 1.5, "l2": 0.4, "linf": 0.05}[norm]
    region = Region(image, radius, norm)
    found = ranges(steps, region, refine=refine)
    bounds = lowest(steps, steps.steps[-1].name, rows, found, region)
    noise = torch.as_tensor(draw.normal(size=(2000, *SHAPE)))
    if norm == "linf":
        noise = noise.sign()
    if norm == "l1":
        size = noise.abs().flatten(1)
        noise = torch.where(noise.abs() == size.max(1).values.view(-1, 1, 1, 1), noise, 0.0)
    noise *= radius / noise.flatten(1).norm(float(norm[1:]), dim=1).view(-1, 1, 1, 1)
    near = model.predict((image + noise).clamp(0, 1).float()).double()
    away = (near @ rows[:, 0].T).min(0).values - bounds
    assert away.min() > -1e-5
    assert away.max() < 30, "the bound says something"


def test_relaxed_ranges_are_inside_intervals():
    model = PixelClassifier(branches(2), device=torch.device("cpu"), fold_batch_norm=False)
    steps, region = steps_of(model.graph), Region(torch.full((1, *SHAPE), 0.4).double(), 0.02, "l2")
    wide, tight = (ranges(steps, region, refine=refine) for refine in (False, True))
    narrower = 0
    for name, (lower, upper) in wide.items():
        assert (tight[name].lower >= lower - 1e-12).all()
        assert (tight[name].upper <= upper + 1e-12).all()
        narrower += bool((tight[name].upper < upper - 1e-6).any())
    assert narrower > 3


@pytest.mark.parametrize("target", [None, 2])
def test_a_linear_models_distance_is_found(target):
    weights = np.random.default_rng(0).normal(size=(3, 12))
    network = truth.Linear(weights, np.array([0.2, 0.0, -0.1]), (3, 2, 2))
    image = torch.full((1, 3, 2, 2), 0.5)
    label = int(network.logits(image.double().numpy().reshape(1, -1)).argmax())
    if target == label:
        target = 0
    for measurement in (Lipschitz(), Certified(refinements=20)):
        (row,) = measured(measurement, network.classifier(), image, [target])
        for norm in ("l2", "linf"):  # in l1 the nearest point is out of the box
            known = network.distance(image[0], label, norm, target)
            assert row.numbers[f"{norm}.score"] == pytest.approx(known, rel=1e-4)


@pytest.mark.parametrize("name", sorted(truth.networks()))
@pytest.mark.parametrize("measurement", [Lipschitz(), Certified(), Certified(ranges="relaxed")])
def test_no_bound_is_above_the_truth(name, measurement):
    network = truth.networks()[name]
    images = truth.images()[0][:2].copy()
    for row, image in zip(
        measured(measurement, network.classifier(), torch.as_tensor(images)), images, strict=True
    ):
        if row.status is Status.INVALID:
            assert row.error.startswith("no bound is known of")
        else:
            for norm in NORMS:
                known = network.distance(image, predicted(network, image), norm)
                assert row.numbers[f"{norm}.score"] <= known * (1 + 1e-6)


def test_a_tiny_networks_bracket_is_narrow():
    network, images = truth.networks()["relu"], truth.images()[0][:4].copy()
    rows = measured(Certified(ranges="relaxed"), network.classifier(), torch.as_tensor(images))
    shares = [
        row.numbers["linf.score"] / network.distance(image, predicted(network, image), "linf")
        for row, image in zip(rows, images, strict=True)
    ]
    assert min(shares) > 0.5


@pytest.mark.parametrize("norm", NORMS)
def test_a_lipschitz_constant_holds_between_any_two_images(norm):
    classifier = branches(3)
    images = torch.rand(1, *SHAPE)
    (row,) = measured(Lipschitz(norms=(norm,)), classifier, images)
    model = PixelClassifier(classifier, device=torch.device("cpu"), fold_batch_norm=False)
    label, rival = int(model.predict(images).argmax()), int(row.numbers[f"{norm}.class"])
    one, two = torch.rand(500, *SHAPE), torch.rand(500, *SHAPE)
    two = one + (two - one) * torch.tensor([1.0, 0.1, 0.01, 0.001]).repeat(125).view(-1, 1, 1, 1)
    gaps = [each[:, label] - each[:, rival] for each in map(model.predict, (one, two))]
    sizes = (one - two).flatten(1).norm(float(norm[1:]), dim=1)
    steepest = float(((gaps[0] - gaps[1]).abs() / sizes).max())
    assert steepest <= row.numbers[f"{norm}.constant"]
    assert steepest > row.numbers[f"{norm}.constant"] / 1e5


class Products(nn.Module):
    def forward(self, images):
        return (images * images).flatten(1)[:, :CLASSES]


@pytest.mark.parametrize("measurement", [Lipschitz(), Certified()])
def test_what_no_bound_is_known_of_is_named(measurement):
    classifier = Classifier(Products().eval(), Preprocessing(SHAPE[1:]), CLASSES)
    (row,) = measured(measurement, classifier, torch.rand(1, *SHAPE))
    assert row.status is Status.INVALID
    assert row.error.startswith("no bound is known of aten.mul.Tensor")


def test_an_untouchable_prediction_has_the_whole_range():
    network = nn.Sequential(nn.Flatten(), nn.Linear(108, CLASSES))
    nn.init.zeros_(network[1].weight)
    network[1].bias.data.copy_(torch.arange(CLASSES) * 1.0)
    classifier = Classifier(network.eval(), Preprocessing(SHAPE[1:]), CLASSES)
    for measurement in (Lipschitz(), Certified()):
        (row,) = measured(measurement, classifier, torch.rand(1, *SHAPE))
        whole = {"l1": 108.0, "l2": math.sqrt(108), "linf": 1.0}
        assert {norm: row.numbers[f"{norm}.score"] for norm in NORMS} == pytest.approx(whole)
