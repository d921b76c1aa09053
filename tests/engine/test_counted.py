"""The counting module: the model's logits and slopes, each pass counted for the images it is of."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import nn

from harness.api import Access, Attack, Norm, PluginError, Status
from harness.engine.target import CountingTarget
from harness.testing.fakes import attack_all, jobs_for, pixel_model
from harness.testing.gpu import check_on_gpu

CLASSES, SIZE = 5, (4, 4)


class Bridge(Attack):
    """Hands a module to something that knows nothing of the harness."""

    norm: ClassVar[Norm] = Norm.LINF

    def perturb(self, target, batch):
        return signs(target.model(), batch.images, batch.labels)


class Scores(Bridge):
    access: ClassVar[Access] = Access.SCORES


class Labels(Bridge):
    access: ClassVar[Access] = Access.LABELS


def signs(network, images, labels):
    """What another library does: it has a module and calls `backward`."""
    images = images.clone().requires_grad_(True)
    nn.functional.cross_entropy(network(images), labels, reduction="sum").backward()
    return (images + 0.1 * images.grad.sign()).clamp(0, 1).detach()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Dropout(), nn.SiLU(), nn.Flatten(),
        nn.Linear(24, CLASSES),
    )  # fmt: skip
    return pixel_model(network, classes=CLASSES, size=SIZE)


@pytest.fixture
def images():
    return torch.rand(3, 3, *SIZE, generator=torch.Generator().manual_seed(4))


def target_for(model, attack=None, rows=3):
    return CountingTarget(model, attack or Bridge(), rows)


def passes(target):
    return [(row.forwards, row.backwards) for row in target.counted()[0]]


def test_logits_and_slopes_are_the_models(model, images):
    target = target_for(model)
    point = images.clone().requires_grad_(True)
    logits = target.model()(point)
    logits.square().sum().backward()
    expected, gradient = target.gradient(images, lambda found: found.square().sum(1))
    assert torch.equal(logits, expected)
    assert torch.allclose(point.grad, gradient, rtol=1e-6)
    (slope,) = torch.autograd.grad(target.model()(point).sum(), point)
    assert slope.is_contiguous(), "as the images are, whatever layout the model is fastest in"


def test_passes_are_counted_when_they_are_made(model, images):
    target = target_for(model)
    network = target.model()
    with torch.no_grad():
        network(images.requires_grad_(True))
    assert passes(target) == [(1, 0)] * 3
    logits = network(images)
    assert passes(target) == [(2, 0)] * 3
    for column in range(2):
        torch.autograd.grad(logits[:, column].sum(), images, retain_graph=True)
    assert passes(target) == [(2, 2)] * 3


def test_a_graph_can_be_differentiated_twice(model, images):
    target = target_for(model)
    images.requires_grad_(True)
    (slope,) = torch.autograd.grad(target.model()(images).square().sum(), images, create_graph=True)
    slope.square().sum().backward()
    assert images.grad.abs().max() > 0
    assert all(backwards >= 2 for _, backwards in passes(target))


def test_rows_say_whose_images_they_are(model, images):
    target = target_for(model)
    network = target.model(torch.tensor([2, 0]))
    network(images[:2])
    assert passes(target) == [(1, 0), (0, 0), (1, 0)]
    network(images[:2].repeat(3, 1, 1, 1).requires_grad_(True)).sum().backward()
    assert passes(target) == [(4, 3), (0, 0), (4, 3)]


def test_other_numbers_of_images_are_shared_evenly(model, images):
    target = target_for(model)
    network = target.model()
    for count in (1, 2, 4, 1):
        network(images[:1].expand(count, -1, -1, -1))
    found = [forwards for forwards, _ in passes(target)]
    assert sum(found) == 8
    assert max(found) - min(found) <= 1


def test_nothing_but_images_has_slopes(model, images):
    network = target_for(model).model()
    assert not network.training
    (place,) = network.parameters()
    assert (place.requires_grad, place.device, list(network.children())) == (
        False,
        model.device,
        [],
    )
    network.train()
    network(images.requires_grad_(True)).sum().backward()
    assert not any(module.training for part in model.networks for module in part.modules())
    assert all(weight.grad is None for weight in model.differentiable.parameters())


def test_what_is_not_declared_is_not_shown(model, images):
    scores = target_for(model, Scores()).model()
    labels = target_for(model, Labels()).model()
    assert torch.equal(scores(images), model.predict(images))
    assert torch.equal(labels(images), torch.eye(CLASSES)[model.predict(images).argmax(1)])
    for network in (scores, labels):
        with pytest.raises(PluginError, match="asked for gradients"):
            network(images.clone().requires_grad_(True)).sum().backward()


def test_images_of_another_shape_are_named(model, images):
    with pytest.raises(PluginError, match=r"float32 \(3, 3, 2, 4\)"):
        target_for(model).model()(images[:, :, :2])
    with pytest.raises(PluginError, match="float64"):
        target_for(model).model()(images.double())


def test_an_attack_through_it_is_judged_and_flat_slopes_are_marked(model, images):
    jobs = jobs_for(model, images, [None] * 3)
    rows = attack_all(Bridge(), model, jobs)
    assert {(row.outcome.passes.forwards, row.outcome.passes.backwards) for row in rows} == {(1, 1)}
    assert all(row.outcome.status is not Status.ERROR for row in rows)
    constant = pixel_model(
        nn.Sequential(nn.Flatten(), nn.Linear(48, 2), nn.Threshold(1e9, 0.5)), classes=2, size=SIZE
    )
    (row, *_) = attack_all(Bridge(), constant, jobs_for(constant, images, [None] * 3))
    assert row.outcome.numbers == {"zero_gradient": 1.0}


def test_undeclared_slopes_are_the_attacks_error(model, images):
    (row, *_) = attack_all(Scores(), model, jobs_for(model, images, [None] * 3))
    assert row.outcome.status is Status.ERROR
    assert "declares access 'scores'" in row.outcome.error


class OnGPU(Attack):
    """`autograd.grad` is what the fake GPU knows."""

    norm: ClassVar[Norm] = Norm.LINF

    def perturb(self, target, batch):
        point = batch.images.clone().requires_grad_(True)
        network = target.model()
        own = network(point).gather(1, batch.labels[:, None])
        (gradient,) = torch.autograd.grad(own.sum(), point)
        network(batch.images[:1])
        return (batch.images - 0.1 * gradient.sign()).clamp(0, 1)


def test_it_never_waits_for_a_gpu():
    check_on_gpu(OnGPU(), looks_per_round=0)
