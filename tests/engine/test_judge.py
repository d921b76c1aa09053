"""The harness judges: candidates that cheat are invalid, and norms are those of float64."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from harness.api import Access, Attack, Norm, Passes, Status
from harness.engine.classifier import PixelClassifier
from harness.engine.judge import to_8_bits
from harness.testing.fakes import attack_all, jobs_for, linear_model, pixel_model
from harness_attacks.sign.fgsm import IFGSM

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
    return linear_model(*_plane(), size=SIZE)


def _plane():
    """Class 0 where the mean pixel exceeds .5, else class 1."""
    weights = torch.stack([torch.ones(VALUES), -torch.ones(VALUES)])
    return weights, torch.tensor([-VALUES * 0.5 * 2, 0.0])


def judged(model, attack, value=0.4, target=None):
    return attack_all(attack, model, jobs_for(model, torch.full((1, 3, *SIZE), value), [target]))[0]


def test_success_margin_and_norms(model):
    row = judged(model, Shift(delta=0.2))
    assert row.outcome.status is Status.BROKEN
    assert row.outcome.verdict.margin == pytest.approx(2 * VALUES * 0.1, rel=1e-4)
    difference = (row.candidate - row.job.image).double().numpy().ravel()
    assert row.outcome.norms.linf == np.abs(difference).max()
    assert row.outcome.norms.l2 == pytest.approx(np.linalg.norm(difference), rel=1e-12)
    assert row.outcome.norms.l1 == pytest.approx(np.abs(difference).sum(), rel=1e-12)
    assert row.outcome.norms.l0 == VALUES
    assert judged(model, Shift(delta=0.05)).outcome.status is Status.ROBUST
    assert judged(model, Shift(delta=0.2), target=0).outcome.status is Status.BROKEN


def test_confident_is_a_margin_of_kappa_beside_success(model):
    assert judged(model, Shift(delta=0.2, kappa=5.0)).outcome.confident
    row = judged(model, Shift(delta=0.2, kappa=6.0))
    assert row.outcome.status is Status.BROKEN
    assert not row.outcome.confident


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
    assert row.outcome.status is Status.INVALID
    assert reason in row.outcome.error
    assert not row.outcome.confident


@pytest.mark.parametrize("value", [0.1, 0.3, 0.4, 0.7])
@pytest.mark.parametrize("epsilon", [0.001, 0.01, 0.03137255, 0.2])
def test_the_float_nearest_to_the_balls_face_is_inside(model, value, epsilon):
    """x + eps in float32 lies beyond eps by rounding alone, up to 3e-8: that is no cheating."""
    assert (
        judged(model, Shift(delta=epsilon, epsilon=epsilon), value).outcome.status
        is not Status.INVALID
    )


@pytest.mark.parametrize("norm", [Norm.L2, Norm.L1, Norm.L0])
def test_budgets_of_other_norms(model, norm):
    class Other(Shift):
        pass

    Other.norm = norm
    size = {Norm.L2: 0.1 * VALUES**0.5, Norm.L1: 0.1 * VALUES, Norm.L0: VALUES}[norm]
    assert (
        judged(model, Other(delta=0.1, epsilon=size * 1.0001)).outcome.status is not Status.INVALID
    )
    assert judged(model, Other(delta=0.1, epsilon=size * 0.999)).outcome.status is Status.INVALID


def test_a_model_that_returns_nan_is_an_error():
    class Broken(nn.Module):
        def forward(self, images):
            logits = images.flatten(1)[:, :2]
            return torch.where(logits > 0.5, torch.nan, logits)

    row = judged(pixel_model(Broken(), classes=2, size=SIZE), Shift(delta=0.2))
    assert row.outcome.status is Status.ERROR
    assert "NaN" in row.outcome.error
    assert row.outcome.verdict.predicted is None


class _InPlace(nn.Module):
    """Spoils what it is given once it has looked at it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images):
        logits = self.network(images.clone())
        images.mul_(0).sub_(7)
        return logits


@pytest.mark.parametrize("attack", [Shift(delta=0.2, epsilon=0.2), IFGSM(steps=2, attempts=4)])
@pytest.mark.parametrize("target", [None, 0])
def test_a_model_that_works_in_place_spoils_no_candidate(model, attack, target):
    spoiling = linear_model(*_plane(), size=SIZE)
    spoiling.differentiable.network = _InPlace(spoiling.differentiable.network)
    pictures = torch.full((1, 3, *SIZE), 0.4)
    jobs = jobs_for(model, pictures.clone(), [target])
    (expected,) = attack_all(attack, model, jobs, eight_bit=True)
    (row,) = attack_all(attack, spoiling, jobs, eight_bit=True)
    assert torch.equal(jobs[0].image, pictures[0])
    assert torch.equal(row.candidate, expected.candidate)
    assert replace(row, candidate=None) == replace(expected, candidate=None)
    assert row.outcome.status is Status.BROKEN


class Greedy(Attack):
    norm: ClassVar[Norm] = Norm.L2
    access: ClassVar[Access] = Access.LABELS

    def perturb(self, target, batch):
        target.labels(batch.images)
        return target.gradient(batch.images, lambda logits: logits.sum(1))[1]


def test_access_that_was_not_declared_is_refused(model):
    row = judged(model, Greedy())
    assert row.outcome.status is Status.ERROR
    assert "asked for gradients" in row.outcome.error
    assert "labels" in row.outcome.error


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
    assert [row.outcome.passes for row in rows] == [Passes(1, 0), Passes(2, 1), Passes(2, 1)]


def test_an_attack_gets_no_more_images_than_it_takes(model):
    seen = []

    class Pairs(Shift):
        most_images: ClassVar[int | None] = 2

        def perturb(self, target, batch):
            seen.append(len(batch.images))
            return batch.images

    jobs = jobs_for(model, torch.rand(5, 3, *SIZE), [None] * 5)
    assert len(attack_all(Pairs(), model, jobs)) == 5
    assert seen == [2, 2, 1]
    attack_all(Pairs(), model, jobs, batch_size=1)
    assert seen[3:] == [1] * 5


def test_wrong_shapes_are_named(model):
    class Cropped(Shift):
        def perturb(self, target, batch):
            return batch.images[..., :2]

    row = judged(model, Cropped())
    assert row.outcome.status is Status.ERROR
    assert "(1, 3, 3, 2)" in row.outcome.error


def edge_model(level):
    """Class 0 where the mean pixel exceeds ``level`` / 255, else class 1."""
    weights = torch.stack([torch.ones(VALUES), -torch.ones(VALUES)])
    return linear_model(weights, torch.tensor([-2 * VALUES * level / 255, 0.0]), size=SIZE)


@pytest.mark.parametrize("target", [None, 0])
@pytest.mark.parametrize(
    ("edge", "level", "status", "rounded"),
    [
        (128.2, 128.4, Status.BROKEN, Status.ROBUST),
        (127.8, 127.6, Status.ROBUST, Status.BROKEN),
        (127.2, 127.4, Status.BROKEN, Status.ROBUST),
        (120.0, 127.6, Status.BROKEN, Status.BROKEN),
        (140.0, 127.6, Status.ROBUST, Status.ROBUST),
    ],
)
def test_the_verdict_after_rounding_by_hand(edge, level, status, rounded, target):
    """All pixels move from 100 / 255 to ``level`` / 255: over the budget only once rounded."""
    model, moved = edge_model(edge), (level - 100) / 255
    jobs = jobs_for(model, torch.full((2, 3, *SIZE), 100 / 255), [target] * 2)
    attack = Shift(delta=moved, epsilon=moved + 1e-6)
    for row in attack_all(attack, model, jobs, eight_bit=True):
        assert row.outcome.status is status
        assert row.outcome.verdict.margin == pytest.approx(
            2 * VALUES * (level - edge) / 255, abs=1e-4
        )
        assert row.outcome.rounded.status is rounded
        assert row.outcome.rounded.predicted == (0 if rounded is Status.BROKEN else 1)
        margin = 2 * VALUES * (round(level) - edge) / 255
        assert row.outcome.rounded.margin == pytest.approx(margin, abs=1e-4)
    assert attack_all(attack, model, jobs)[0].outcome.rounded is None


@pytest.mark.parametrize(
    "attack", [Shift(delta=1e39), Shift(delta=0.7), Shift(delta=0.2, epsilon=0.1)]
)
def test_an_invalid_candidate_has_no_verdict_after_rounding(model, attack):
    todo = jobs_for(model, torch.full((1, 3, *SIZE), 0.4), [None])
    (row,) = attack_all(attack, model, todo, eight_bit=True)
    assert (row.outcome.status, row.outcome.rounded) == (Status.INVALID, None)


@pytest.mark.parametrize(("level", "status"), [(99.8, Status.ROBUST), (100.2, Status.ERROR)])
def test_a_model_that_returns_nan_has_no_verdict_after_rounding(level, status):
    """It fails above 99.9 / 255: on the rounded candidate alone, or on both."""

    class Broken(nn.Module):
        def forward(self, images):
            logits = images.flatten(1)[:, :2] - torch.tensor([0.0, 0.1])
            return torch.where(images.amax() > 99.9 / 255, torch.nan, logits)

    model = pixel_model(Broken(), classes=2, size=SIZE)
    todo = jobs_for(model, torch.full((1, 3, *SIZE), 90 / 255), [None])
    (row,) = attack_all(Shift(delta=(level - 90) / 255), model, todo, eight_bit=True)
    assert (row.outcome.status, row.outcome.rounded) == (status, None)


def test_rounding_is_what_a_png_file_brings_back(tmp_path):
    seen = []

    class Recorder(nn.Module):
        def forward(self, images):
            seen.append(images.clone())
            return images.flatten(1)[:, :5]

    images = torch.rand(6, 3, 16, 20, generator=torch.Generator().manual_seed(0)) * 0.9
    model = pixel_model(Recorder(), classes=5, size=(16, 20))
    rows = attack_all(
        Shift(delta=0.0621), model, jobs_for(model, images, [None] * 6), eight_bit=True
    )
    for index, row in enumerate(rows):
        levels = np.rint(row.candidate.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
        path = tmp_path / f"{index}.png"
        Image.fromarray(levels).save(path)
        with Image.open(path) as picture:
            back = np.asarray(picture, np.float32).transpose(2, 0, 1) / np.float32(255)
        assert np.array_equal(seen[-1][index].numpy(), back)
        assert row.outcome.rounded.predicted == back.ravel()[:5].argmax()


@given(st.floats(0, 1, width=32))
def test_rounding_goes_to_the_nearest_level_and_stays(value):
    rounded = to_8_bits(torch.tensor([value]))
    level = int(np.rint(np.float64(value) * 255))
    assert rounded.item() == np.float32(level) / np.float32(255)
    assert abs(rounded.item() - value) <= 0.5 / 255 + 1e-7
    assert torch.equal(to_8_bits(rounded), rounded)


def test_every_level_stays():
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    assert np.array_equal(to_8_bits(torch.from_numpy(levels)).numpy(), levels)


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
