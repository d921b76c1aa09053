"""MALT's order of target classes against distances on linear models and a plain loop."""

from __future__ import annotations

import math

import norm_toy
import pytest
import torch

from harness.api import Norm
from harness.testing.fakes import linear_model
from harness.testing.gpu import check_on_gpu
from harness_attacks.ascent.apgd import APGDLinf
from harness_attacks.malt import Malt, largest

ORDERS = {Norm.LINF: 1, Norm.L2: 2, Norm.L1: math.inf}


def _stretched(count):
    """A linear model of six classes whose gradients differ in length, with close logits."""
    weights, _, images = norm_toy.linear(4, 6, 0.4, 0.6, 3.0, count)
    weights *= torch.linspace(0.05, 3, 6)[:, None]
    noise = 0.3 * torch.randn(6, generator=torch.Generator().manual_seed(1))
    bias = noise - (images.flatten(1) @ weights.T).mean(0)
    return weights, linear_model(weights, bias, size=norm_toy.SIZE), images


def _ranked(model, images, labels, norm, candidates, count):
    """As a stepper drives it."""
    point = images.clone().requires_grad_(True)
    logits = model.forward(point)
    malt, passes = Malt(logits.detach(), labels, norm, candidates), 0
    while not malt.done:
        (gradient,) = torch.autograd.grad(logits, point, malt.cotangent(), retain_graph=True)
        malt.take(gradient)
        passes += 1
    return malt.targets(count), passes


@pytest.mark.parametrize("norm", list(ORDERS))
def test_on_a_linear_model_the_nearest_boundaries_come_first(norm):
    weights, model, images = _stretched(20)
    logits = model.predict(images)
    labels = logits.argmax(1)
    targets, passes = _ranked(model, images, labels, norm, 100, 5)
    assert passes == 5
    differ = 0
    for row, label in enumerate(labels.tolist()):
        others = [other for other in range(6) if other != label]
        distances = {
            other: float(logits[row, label] - logits[row, other])
            / float((weights[label] - weights[other]).norm(ORDERS[norm]))
            for other in others
        }
        assert targets[row].tolist() == sorted(others, key=distances.__getitem__)
        differ += targets[row].tolist() != largest(logits, labels, 5)[row].tolist()
    assert differ >= 8, "or the order of the logits would do"


def test_only_the_candidates_are_ranked(model, images):
    labels = model.predict(images).argmax(1)
    two, passes = _ranked(model, images, labels, Norm.LINF, 2, 2)
    assert passes == 2
    assert torch.equal(two.sort(1).values, largest(model.predict(images), labels, 2).sort(1).values)
    four, _ = _ranked(model, images, labels, Norm.LINF, 4, 4)
    assert not (four == labels[:, None]).any()
    assert (four.sort(1).values.diff(dim=1) > 0).all()


def test_what_is_not_finite_comes_last():
    logits = torch.tensor([[3.0, 1.0, 0.0, 2.0], [3.0, torch.nan, 0.0, 2.0]])
    labels = torch.zeros(2, dtype=torch.int64)
    malt = Malt(logits, labels, Norm.L2, 3)
    for gradient in (0.0, 1.0, torch.nan):  # of classes 3, 1 and 2, in the first row
        malt.take(torch.full((2, 3, 1, 1), gradient))
    assert malt.targets(3)[0].tolist() == [1, 3, 2]
    assert sorted(malt.targets(3)[1].tolist()) == [1, 2, 3]


def test_the_order_of_the_logits_works_on_a_gpu():
    check_on_gpu(APGDLinf(steps=2, loss="targeted-dlr", targets="logits", restarts=2))
