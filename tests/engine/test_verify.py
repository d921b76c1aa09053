"""The harness judges: candidates that cheat are invalid, and norms are those of float64."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from harness.api import Access, Attack, Norm, Status
from harness.engine.classifier import PixelClassifier
from harness.testing.fakes import attack_all, jobs_for, linear_model, pixel_model

SIZE, VALUES = (3, 3), 27


class Shift(Attack):
    """Adds ``delta`` everywhere."""

    norm: ClassVar[Norm] = Norm.LINF
    delta: float = 0.0
    epsilon: float | None = None
    kappa: float = 0.0

    @property
    def budget(self):
        return self.epsilon

    @property
    def confidence(self):
        return self.kappa

    def perturb(self, target, batch):
        return batch.images + self.delta


@pytest.fixture(scope="module")
def model():
    weights = torch.stack([torch.ones(VALUES), -torch.ones(VALUES)])
    return linear_model(weights, torch.tensor([-VALUES * 0.5 * 2, 0.0]), size=SIZE)


def judged(model, attack, value=0.4, target=None):
    return attack_all(attack, model, jobs_for(model, torch.full((1, 3, *SIZE), value), [target]))[0]


def test_success_margin_and_norms(model):
    row = judged(model, Shift(delta=0.2))
    assert row.status is Status.BROKEN
    assert row.margin == pytest.approx(2 * VALUES * 0.1, rel=1e-4)
    difference = (row.candidate - row.job.image).double().numpy().ravel()
    assert row.linf == np.abs(difference).max()
    assert row.l2 == pytest.approx(np.linalg.norm(difference), rel=1e-12)
    assert row.l1 == pytest.approx(np.abs(difference).sum(), rel=1e-12)
    assert row.l0 == VALUES
    assert judged(model, Shift(delta=0.05)).status is Status.ROBUST
    assert judged(model, Shift(delta=0.2), target=0).status is Status.BROKEN


def test_confident_is_a_margin_of_kappa_beside_success(model):
    assert judged(model, Shift(delta=0.2, kappa=5.0)).confident
    row = judged(model, Shift(delta=0.2, kappa=6.0))
    assert row.status is Status.BROKEN
    assert not row.confident


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        (Shift(delta=1e39), "NaN or infinity"),
        (Shift(delta=0.7), "leaves"),
        (Shift(delta=-0.5), "leaves"),
        (Shift(delta=0.2, epsilon=0.1999), "exceeds linf"),
        (Shift(delta=0.2, epsilon=0.2 * (1 - 2e-6)), "exceeds linf"),
    ],
)
def test_cheating_is_invalid_never_a_success(model, attack, reason):
    row = judged(model, attack.model_copy())
    assert row.status is Status.INVALID
    assert reason in row.error
    assert not row.confident


@pytest.mark.parametrize("value", [0.1, 0.3, 0.4, 0.7])
@pytest.mark.parametrize("epsilon", [0.001, 0.01, 0.03137255, 0.2])
def test_the_float_nearest_to_the_balls_face_is_inside(model, value, epsilon):
    """x + eps in float32 lies beyond eps by rounding alone, up to 3e-8: that is no cheating."""
    assert judged(model, Shift(delta=epsilon, epsilon=epsilon), value).status is not Status.INVALID


@pytest.mark.parametrize("norm", [Norm.L2, Norm.L1, Norm.L0])
def test_budgets_of_other_norms(model, norm):
    class Other(Shift):
        pass

    Other.norm = norm
    size = {Norm.L2: 0.1 * VALUES**0.5, Norm.L1: 0.1 * VALUES, Norm.L0: VALUES}[norm]
    assert judged(model, Other(delta=0.1, epsilon=size * 1.0001)).status is not Status.INVALID
    assert judged(model, Other(delta=0.1, epsilon=size * 0.999)).status is Status.INVALID


def test_a_model_that_returns_nan_is_an_error():
    class Broken(nn.Module):
        def forward(self, images):
            logits = images.flatten(1)[:, :2]
            return torch.where(logits > 0.5, torch.nan, logits)

    row = judged(pixel_model(Broken(), classes=2, size=SIZE), Shift(delta=0.2))
    assert row.status is Status.ERROR
    assert "NaN" in row.error
    assert row.predicted is None


class Greedy(Attack):
    norm: ClassVar[Norm] = Norm.L2
    access: ClassVar[Access] = Access.LABELS

    def perturb(self, target, batch):
        target.labels(batch.images)
        return target.gradient(batch.images, lambda logits: logits.sum(1))[1]


def test_access_that_was_not_declared_is_refused(model):
    row = judged(model, Greedy())
    assert row.status is Status.ERROR
    assert "asked for gradients" in row.error
    assert "labels" in row.error


def test_passes_are_counted_by_row(model):
    class Partial(Attack):
        norm: ClassVar[Norm] = Norm.L2

        def perturb(self, target, batch):
            target.logits(batch.images)
            rows = torch.arange(1, len(batch.images))
            target.gradient(batch.images[rows], lambda logits: logits[:, 0], rows)
            return batch.images

    jobs = jobs_for(model, torch.rand(3, 3, *SIZE), [None] * 3)
    rows = attack_all(Partial(), model, jobs)
    assert [(row.forwards, row.backwards) for row in rows] == [(1, 0), (2, 1), (2, 1)]


def test_wrong_shapes_are_named(model):
    class Cropped(Shift):
        def perturb(self, target, batch):
            return batch.images[..., :2]

    row = judged(model, Cropped())
    assert row.status is Status.ERROR
    assert "(1, 3, 3, 2)" in row.error


def test_folding_batch_norms_is_exact_and_optional():
    from harness.api import Classifier, Preprocessing

    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.BatchNorm2d(8),
        nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 5),
    ).eval()  # fmt: skip
    for part in (network[1], network[3]):
        part.running_mean.normal_()
        part.running_var.uniform_(0.1, 3)
    classifier = Classifier(
        network, Preprocessing((8, 8), (0.5, 0.4, 0.3), (0.5, 0.25, 2.0), "bgr", background=2), 4
    )
    images = torch.rand(6, 3, 8, 8)
    results = [
        PixelClassifier(classifier, device=torch.device("cpu"), fold_batch_norm=fold)
        for fold in (False, True)
    ]
    plain, folded = (model.predict(images) for model in results)
    mean = torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1)
    std = torch.tensor([0.5, 0.25, 2.0]).view(1, 3, 1, 1)
    by_hand = network(((images - mean) / std).flip(1))[:, [0, 1, 3, 4]]
    assert torch.allclose(plain, by_hand, atol=1e-5)
    assert torch.allclose(folded, plain, atol=1e-5)
    left = [
        part for part in results[1].differentiable.modules() if isinstance(part, nn.BatchNorm2d)
    ]
    assert len(left) == 1  # the one behind a ReLU cannot be folded
