"""The slot engine: every image once, counted by its own passes, whatever its batch mates do."""

from __future__ import annotations

import itertools
import types
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harness.api import (
    ZERO_GRADIENT,
    Again,
    Attack,
    Candidates,
    Goal,
    Norm,
    Passes,
    Point,
    Status,
    SteppedAttack,
    Stepper,
)
from harness.engine.batches import attack_images
from harness.engine.jobs import Job
from harness.testing.fakes import attack_all, jobs_for, pixel_model
from harness_attacks.penalty.cw import CW
from harness_attacks.penalty.ead import EAD
from harness_attacks.sign.fgsm import FGSM, IFGSM

SIZE, CLASSES = (2, 2), 3


class _Countdown(Stepper):
    """Finishes an image after as many rounds as its first pixel says, data-dependent on purpose."""

    def __init__(self, slots) -> None:
        self.images = torch.zeros(slots.count, *slots.shape)
        self.left = torch.zeros(slots.count, dtype=torch.int64)
        self.finished = torch.ones(slots.count, dtype=torch.bool)

    def load(self, rows, batch):
        assert self.finished[rows].all()
        self.images[rows] = batch.images
        self.left[rows] = (batch.images[:, 0, 0, 0] * 100).round().long()
        self.finished[rows] = False

    def point(self):
        return Point(self.images)

    def observe(self, logits):
        assert len(logits) == len(self.left)
        return torch.ones_like(logits)

    def step(self, gradient):
        self.left -= (~self.finished).long()
        self.finished |= self.left <= 0

    def result(self, rows):
        assert self.finished[rows].all()
        return Candidates(self.images[rows], {"mark": self.images[rows, 1, 0, 0]})


class Countdown(SteppedAttack):
    norm: ClassVar[Norm] = Norm.LINF

    def stepper(self, slots):
        return _Countdown(slots)


def model():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, CLASSES))
    return pixel_model(network, classes=CLASSES, size=SIZE)


def jobs(rounds: list[int]) -> list[Job]:
    images = torch.rand(len(rounds), 3, *SIZE, generator=torch.Generator().manual_seed(1))
    images[:, 0, 0, 0] = torch.tensor(rounds) / 100
    images[:, 1, 0, 0] = torch.arange(len(rounds)) / 100
    return jobs_for(model(), images, [None] * len(rounds))


@settings(max_examples=60, deadline=None)
@given(rounds=st.lists(st.integers(1, 9), min_size=1, max_size=30), slots=st.integers(1, 9))
def test_refill_serves_every_image_once_and_counts_its_own_passes(rounds, slots):
    todo = jobs(rounds)
    seen = []
    for rows in attack_images(
        Countdown(), model(), iter(todo), batch_size=slots, on_halving=lambda size: None
    ):
        seen += rows
    assert sorted(int(row.job.image_id) for row in seen) == list(range(len(rounds)))
    for row in seen:
        index = int(row.job.image_id)
        assert row.outcome.passes == Passes(rounds[index], rounds[index])
        assert row.outcome.numbers["mark"] == pytest.approx(index / 100)
        assert row.outcome.norms.linf == 0


class _Foreseen(_Countdown):
    def next_finish(self):
        left = self.left[~self.finished]
        return int(left.min()) if len(left) else 0


class Foreseen(Countdown):
    def stepper(self, slots):
        return _Foreseen(slots)


def test_a_finished_image_does_not_wait_for_long_rounds(monkeypatch):
    """One image is done after a round, its mates long after: its verdict comes in between."""
    ticks = itertools.count()
    clock = types.SimpleNamespace(monotonic=lambda: 0.3 * next(ticks))
    monkeypatch.setattr("harness.engine.slots.time", clock)
    stream = attack_images(
        Foreseen(), model(), iter(jobs([1] + [40] * 7)), batch_size=8, on_halving=lambda size: None
    )
    judged = [[row.job.image_id for row in rows] for rows in stream if rows]
    assert judged[0] == ["0"]
    assert len(judged) == 2


class _Jacobian(_Countdown):
    """Takes the gradient of every logit in every round, of the last one for marked rows alone."""

    def __init__(self, slots) -> None:
        super().__init__(slots)
        self.found = torch.zeros(slots.count, slots.classes, *slots.shape)
        self.logits = torch.zeros(slots.count, slots.classes)

    def point(self):
        self.at = 0
        return Point(self.images, again=True)

    def observe(self, logits):
        self.logits = logits.clone()
        return self._cotangent()

    def step(self, gradient):
        self.found[:, self.at] = gradient
        self.at += 1
        if self.at == CLASSES:
            return super().step(gradient)
        marked = self.images[:, 1, 0, 0] > 0.015
        return Again(self._cotangent(), marked if self.at == CLASSES - 1 else None)

    def _cotangent(self):
        return torch.eye(CLASSES)[self.at].expand(len(self.images), -1)

    def result(self, rows):
        found = self.found[rows].flatten(1).double()
        numbers = {f"sum {at}": part.sum(1) for at, part in enumerate(found.chunk(CLASSES, 1))}
        return Candidates(self.images[rows], numbers)


class Jacobian(Countdown):
    def stepper(self, slots):
        return _Jacobian(slots)


@pytest.mark.parametrize("numerics", ["fp32", "bf16"])
@pytest.mark.parametrize("slots", [1, 2, 8])
def test_a_step_may_ask_for_further_gradients_of_its_forward(slots, numerics):
    asked, todo, rounds = model(), jobs([3, 1, 4, 1, 5]), [3, 1, 4, 1, 5]
    asked.numerics = numerics
    forwards = []
    asked.differentiable.register_forward_hook(lambda *_: forwards.append(1))
    found = attack_all(Jacobian(), asked, todo, batch_size=slots)
    weights = asked.differentiable.network[1].weight.sum(1).tolist()
    for row, own in zip(found, rounds, strict=True):
        marked = int(row.job.image_id) > 1
        assert row.outcome.passes == Passes(own, (CLASSES if marked else CLASSES - 1) * own)
        for at, weight in enumerate(weights):
            assert row.outcome.numbers[f"sum {at}"] == pytest.approx(weight, abs=1e-2)
    if slots == 1:
        assert len(forwards) == sum(rounds) + len(rounds)  # and a verdict each


class _Lonely(_Countdown):
    """New images get a round of their own first, with two gradients; the others wait meanwhile."""

    def __init__(self, slots) -> None:
        super().__init__(slots)
        self.fresh = torch.zeros(slots.count, dtype=torch.bool)
        self.alone = False

    def load(self, rows, batch):
        super().load(rows, batch)
        self.fresh[rows] = True

    def point(self):
        self.alone = bool(self.fresh.any())
        if not self.alone:
            return Point(self.images)
        self.asked = 0
        rows = self.fresh.nonzero().squeeze(1)
        marked = self.images[rows, 1, 0, 0] > 0.015
        return Point(self.images[rows], asking=marked, rows=rows, again=True)

    def observe(self, logits):
        assert len(logits) == (int(self.fresh.sum()) if self.alone else len(self.images))
        return torch.ones_like(logits)

    def step(self, gradient):
        if not self.alone:
            return super().step(gradient)
        assert len(gradient) == int(self.fresh.sum())
        self.asked += 1
        if self.asked == 1:
            return Again(torch.ones(len(gradient), CLASSES))
        self.fresh[:] = False
        return None


class Lonely(Countdown):
    def stepper(self, slots):
        return _Lonely(slots)


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_a_gradient_for_some_slots_is_counted_for_them_alone(slots):
    todo, rounds = jobs([3, 1, 4, 1, 5]), [3, 1, 4, 1, 5]
    for row, own in zip(attack_all(Lonely(), model(), todo, batch_size=slots), rounds, strict=True):
        marked = int(row.job.image_id) > 1
        assert row.outcome.passes == Passes(own + 1, own + 1 + marked)
        assert ZERO_GRADIENT not in row.outcome.numbers


class _Undeclared(_Jacobian):
    def point(self):
        self.at = 0
        return Point(self.images)


class Undeclared(Countdown):
    def stepper(self, slots):
        return _Undeclared(slots)


def test_further_gradients_have_to_be_announced():
    (row,) = attack_all(Undeclared(), model(), jobs([2]))
    assert row.outcome.status is Status.ERROR
    assert "Point(..., again=True)" in row.outcome.error


class _Starved(nn.Module):
    """A device with memory for a few images: cannot be made real on a CPU."""

    def __init__(self, network: nn.Module, room: int) -> None:
        super().__init__()
        self.network, self.room = network, room

    def forward(self, images):
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory (scripted)")
        return self.network(images)


class Uphill(Attack):
    """Whole-batch: one signed step, by autograd."""

    norm: ClassVar[Norm] = Norm.LINF

    def perturb(self, target, batch):
        own = batch.classes[:, None]
        _, gradient = target.gradient(batch.images, lambda z: z.gather(1, own).squeeze(1))
        return (batch.images - 0.1 * gradient.sign()).clamp(0, 1)


@pytest.mark.parametrize("attack", [Countdown(), Jacobian(), Uphill()])
def test_lack_of_memory_halves_the_batch_and_changes_no_result(attack):
    todo = jobs([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
    expected = attack_all(attack, model(), todo, batch_size=10)
    small = model()
    small.differentiable.network = _Starved(small.differentiable.network, room=3)
    halvings = []
    seen = {}
    for rows in attack_images(attack, small, iter(todo), batch_size=10, on_halving=halvings.append):
        seen.update({row.job.image_id: row for row in rows})
    assert halvings == [5, 2]
    for row in expected:
        again = seen[row.job.image_id]
        assert again.outcome.status is row.outcome.status
        assert again.outcome.norms.linf == row.outcome.norms.linf
        assert again.outcome.passes == row.outcome.passes


@pytest.mark.parametrize("attack", [Countdown(), Uphill()])
def test_the_verdict_after_rounding_is_beside_the_others_and_costs_the_attack_nothing(attack):
    todo = jobs([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
    plain = attack_all(attack, model(), todo, batch_size=4)
    small = model()
    small.differentiable.network = _Starved(small.differentiable.network, room=3)
    both = attack_all(attack, small, todo, batch_size=4, eight_bit=True)
    for row, other in zip(both, plain, strict=True):
        bytes_ = np.rint(row.candidate.double().numpy() * 255)
        logits = model().predict(torch.tensor(bytes_ / 255, dtype=torch.float32)[None])
        predicted = int(logits.argmax())
        assert row.outcome.rounded.predicted == predicted
        assert (row.outcome.rounded.status is Status.BROKEN) == (predicted != row.job.label)
        assert other.outcome.rounded is None
        assert row.outcome.status is other.outcome.status
        assert row.outcome.verdict.predicted == other.outcome.verdict.predicted
        assert row.outcome.passes == other.outcome.passes


class Moody(Attack):
    """Raises whenever image "2" is in the batch."""

    norm: ClassVar[Norm] = Norm.LINF

    def perturb(self, target, batch):
        if (batch.images[:, 1, 0, 0] == torch.tensor(2) / 100).any():
            raise RuntimeError("no mood")
        return batch.images.clone()


def test_an_image_that_breaks_an_attack_takes_no_batch_mate_with_it():
    rows = attack_all(Moody(), model(), jobs([1, 1, 1, 1]))
    assert [str(row.outcome.status) for row in rows] == ["robust", "robust", "error", "robust"]
    assert "no mood" in rows[2].outcome.error
    assert "RuntimeError" in rows[2].outcome.error


class Noisy(Attack):
    norm: ClassVar[Norm] = Norm.LINF
    stochastic: ClassVar[bool] = True

    def perturb(self, target, batch):
        return (batch.images + 0.05 * batch.noise(0)).clamp(0, 1)


def test_random_numbers_do_not_depend_on_batch_mates():
    todo = jobs([1] * 7)
    whole = attack_all(Noisy(), model(), todo, batch_size=7)
    single = attack_all(Noisy(), model(), list(reversed(todo)), batch_size=1)
    for row, other in zip(whole, reversed(single), strict=True):
        assert torch.equal(row.candidate, other.candidate)
    assert not torch.equal(
        whole[0].candidate - whole[0].job.image, whole[1].candidate - whole[1].job.image
    )


class _Masked(nn.Module):
    """No gradient where the second channel's first pixel is under .025: images "0" to "2"."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images):
        masked = images[:, 1, 0, 0] < 0.025
        return self.network(torch.where(masked[:, None, None, None], images.detach(), images))


@pytest.mark.parametrize(
    "attack",
    [
        Countdown(), Uphill(), FGSM(), IFGSM(steps=2, attempts=3), IFGSM(steps=2, epsilon=0.1),
        CW(iterations=4, search_steps=2), EAD(iterations=4, search_steps=2),
    ],
    ids=lambda attack: type(attack).__name__,
)  # fmt: skip
@pytest.mark.parametrize("slots", [2, 8])
def test_images_whose_first_gradient_is_zero_are_noted(attack, slots):
    masked, todo = model(), jobs([3, 1, 4, 1, 5, 2])
    masked.differentiable.network = _Masked(masked.differentiable.network)
    assert [
        row.outcome.numbers.get(ZERO_GRADIENT)
        for row in attack_all(attack, masked, todo, batch_size=slots)
    ] == [1, 1, 1, None, None, None]
    for row in attack_all(attack, model(), todo, batch_size=slots):
        assert ZERO_GRADIENT not in row.outcome.numbers


def test_goal_properties():
    assert not Goal.UNTARGETED.targeted
    assert all(goal.targeted for goal in Goal if goal is not Goal.UNTARGETED)
