"""Passes of one size: a row is the same to the bit whatever else is computed, and how."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from harness.api import Attack, Classifier, ModelError, Norm, Preprocessing
from harness.engine import exact
from harness.engine.classifier import PixelClassifier
from harness.engine.clean import predict_clean
from harness.testing.fakes import attack_all, jobs_for
from harness_attacks.penalty.cw import CW
from harness_attacks.penalty.ead import EAD
from harness_attacks.sign.fgsm import IFGSM

SIZE, CLASSES = (7, 7), 5
"""3 x 7 x 7 is no multiple of a vector's width."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def model(rows: int | None, network: nn.Module | None = None) -> PixelClassifier:
    torch.manual_seed(3)
    built = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 16, 3, stride=2), nn.SiLU(),
        nn.Flatten(), nn.Linear(144, 48), nn.SiLU(), nn.Linear(48, CLASSES),
    )  # fmt: skip
    classifier = Classifier(network or built, Preprocessing(SIZE, (0.5,) * 3, (0.5,) * 3), CLASSES)
    return PixelClassifier(classifier, device=torch.device("cpu"), fold_batch_norm=True, rows=rows)


class Whole(Attack):
    """A whole-batch attack: a step whose size looks at the row's gradient."""

    norm: ClassVar[Norm] = Norm.L2

    def perturb(self, target, batch):
        own = batch.classes[:, None]
        point = batch.images
        for _ in range(3):
            _, gradient = target.gradient(point, lambda z: z.gather(1, own).squeeze(1))
            size = gradient.flatten(1).norm(dim=1)[:, None, None, None]
            point = (point - 0.1 * gradient / size).clamp(0, 1)
        return point


class Alone(Whole):
    most_images: ClassVar[int | None] = 1


ATTACKS = [
    CW(iterations=30, search_steps=4, learning_rate=2e-2, initial_const=0.5, warm_start=True),
    CW(iterations=30, search_steps=4, learning_rate=2e-2, initial_const=0.5),
    EAD(iterations=20, search_steps=3, learning_rate=2e-2, initial_const=0.5),
    IFGSM(steps=4, attempts=5),
    Whole(),
    Alone(),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=["cw warm", "cw", "ead", "ifgsm", "whole", "alone"])
def test_number_order_and_mates_change_no_bit(attack):
    network = model(32)
    exact.check(network)
    images = torch.rand(45, 3, *SIZE, generator=torch.Generator().manual_seed(6))
    jobs = jobs_for(network, images, [None, 0, 1] * 15)
    jobs = [job for job in jobs if job.target != job.label]
    expected = attack_all(attack, network, jobs, batch_size=32, eight_bit=True)
    shuffled = torch.randperm(len(jobs), generator=torch.Generator().manual_seed(1)).tolist()
    for chosen in (shuffled, [7], [3, 20, 5], list(range(10))):
        rows = attack_all(attack, network, [jobs[i] for i in chosen], batch_size=32, eight_bit=True)
        for index, row in zip(chosen, rows, strict=True):
            assert torch.equal(row.candidate, expected[index].candidate)
            assert _facts(row) == _facts(expected[index])


def _facts(row):
    known = row.outcome.numbers.items()
    return replace(row.outcome, numbers={k: v for k, v in known if not math.isnan(v)})


def test_clean_predictions_too():
    network = model(32)
    images = torch.rand(40, 3, *SIZE, generator=torch.Generator().manual_seed(6))
    rows = [(str(index), image, 0) for index, image in enumerate(images)]

    def predictions(chosen):
        stream = predict_clean(network, iter(chosen), batch_size=32, on_halving=print)
        return {row.image_id: row for part in stream for row in part}

    expected = predictions(rows)
    for chosen in (rows[::-1], rows[3:4], rows[5:17]):
        assert predictions(chosen) == {row[0]: expected[row[0]] for row in chosen}


def test_every_pass_has_that_many_rows_and_gradients_of_the_given_ones_alone():
    seen = []

    class Counted(nn.Module):
        def forward(self, images):
            seen.append(len(images))
            return images.flatten(1)[:, :CLASSES] * 3

    network = model(32, Counted())
    images = torch.rand(50, 3, *SIZE)
    assert network.predict(images).shape == (50, CLASSES)
    point = images[:3].clone().requires_grad_(True)
    logits = network.forward(point)
    (gradient,) = torch.autograd.grad(logits.sum(), point)
    assert seen == [32, 32, 32]
    assert torch.equal(gradient.flatten(1)[:, :CLASSES], torch.full((3, CLASSES), 6.0))
    assert torch.equal(logits, network.predict(images)[:3])


class Mates(nn.Module):
    def forward(self, images):
        logits = images.flatten(1)[:, :CLASSES]
        return logits + 1e-6 * logits.mean()


class Places(nn.Module):
    def forward(self, images):
        logits = images.flatten(1)[:, :CLASSES]
        return logits + 1e-6 * torch.arange(len(images))[:, None]


class Backwards(torch.autograd.Function):
    @staticmethod
    def forward(context, images):
        return images.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient * (1 + 1e-6 * torch.arange(len(gradient))[:, None, None, None])


class GradientPlaces(nn.Module):
    def forward(self, images):
        return Backwards.apply(images).flatten(1)[:, :CLASSES]


@pytest.mark.parametrize("network", [Mates(), Places(), GradientPlaces()])
def test_a_model_that_looks_at_mates_or_places_is_refused(network):
    with pytest.raises(ModelError, match="place or its mates"):
        exact.check(model(32, network))
    exact.check(model(1, network))
    exact.check(model(None, network))
