"""A budget of passes is kept exactly, whatever an attack does, and mates change nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from query_toy import jobs, model

from harness.api import Attack, Norm, Slots, Status, margin
from harness.engine import slots
from harness.engine.batches import attack_images
from harness.engine.jobs import to_batch
from harness.engine.target import BudgetSpent
from harness_attacks.penalty.cw import CW
from harness_attacks.penalty.ead import EAD
from harness_attacks.sign.fgsm import IFGSM

SIZES = (1, 7, 64)


def attacked(attack, todo, budget, size):
    bounded = (replace(job, budget=budget) for job in todo)
    stream = attack_images(attack, model(), bounded, batch_size=size, on_halving=int)
    found = {row.job.image_id: row for rows in stream for row in rows}
    return [found[job.image_id] for job in todo]


class Descends(Attack):
    """Steps along the margin, each image with a number of its own; ``how`` says by which calls."""

    norm: ClassVar[Norm] = Norm.LINF
    how: str = "gradient"

    def perturb(self, target, batch):
        images = batch.images.clone()
        limits = torch.tensor([4 + seed % 9 for seed in batch.seeds])
        network = target.model()
        for number in range(12):
            if self.how == "rows":
                rows = (limits > number).nonzero().squeeze(1)
            else:
                rows = torch.arange(len(images))
            if not len(rows):
                break
            classes, targeted = batch.classes[rows], batch.targeted[rows]
            if self.how == "module":
                leaf = images.clone().requires_grad_()
                loss = margin(network(leaf), classes, targeted).sum()
                (gradient,) = torch.autograd.grad(loss, leaf)
                network(images)  # and a look without a gradient
            else:
                _, gradient = target.gradient(
                    images[rows],
                    lambda z, c=classes, t=targeted: margin(z, c, t),
                    None if self.how == "gradient" else rows,
                )
            images[rows] = (images[rows] + 0.02 * gradient.sign()).clamp(0, 1)
        return images


class Stubborn(Descends):
    """It swallows whatever is raised, and goes on."""

    def perturb(self, target, batch):
        told = 0
        for _ in range(40):
            try:
                super().perturb(target, batch)
            except BudgetSpent:
                told += 1
        assert told > 30
        return torch.ones_like(batch.images)


@settings(max_examples=25, deadline=None)
@given(
    budget=st.integers(1, 40),
    how=st.sampled_from(["gradient", "rows", "module"]),
    size=st.sampled_from(SIZES),
)
def test_no_image_of_a_whole_batch_gets_more_passes(budget, how, size):
    todo = jobs(9)
    unbounded = attacked(Descends(how=how), todo, None, size)
    for each, free in zip(attacked(Descends(how=how), todo, budget, size), unbounded, strict=True):
        made, wanted = each.outcome.passes, free.outcome.passes
        total = made.forwards + made.backwards
        assert total <= budget
        if wanted.forwards + wanted.backwards <= budget:
            assert made == wanted
            assert torch.equal(each.candidate, free.candidate)
        else:
            assert total >= budget - 1
        assert each.outcome.status in (Status.ROBUST, Status.BROKEN)


@pytest.mark.parametrize("how", ["gradient", "rows", "module"])
@pytest.mark.parametrize("budget", [6, 13])
def test_mates_change_nothing(how, budget):
    todo = jobs(9)
    found = [attacked(Descends(how=how), todo, budget, size) for size in SIZES]
    for alone, some, all_ in zip(*found, strict=True):
        assert alone.outcome.passes == some.outcome.passes == all_.outcome.passes
        torch.testing.assert_close(alone.candidate, some.candidate)
        torch.testing.assert_close(alone.candidate, all_.candidate)


def test_who_swallows_the_end_gains_nothing():
    todo = jobs(5)
    plain, stubborn = (attacked(kind(), todo, 9, 5) for kind in (Descends, Stubborn))
    for one, other in zip(plain, stubborn, strict=True):
        assert one.outcome == other.outcome
        assert torch.equal(one.candidate, other.candidate)


def test_the_best_query_is_judged_or_the_last_one():
    for each in attacked(Descends(), jobs(9), 15, 64):
        best, outcome = each.outcome.best_query, each.outcome
        assert outcome.status is best.status
        if outcome.status is Status.BROKEN:
            assert outcome.norms.linf == best.distance
        else:
            # Seven queries: the seventh is six steps away.
            assert outcome.norms.linf == pytest.approx(0.12, abs=1e-6)


STEPPED = [
    CW(iterations=12, search_steps=2, learning_rate=0.05),
    EAD(iterations=12, search_steps=2),
    IFGSM(steps=4),
]


def by_hand(attack, job, budget):
    """A slot of its own, looked at before each pass: its result where the next is too many."""
    network = model()
    room = Slots(1, network.shape, network.classes, network.device, network.memory_format)
    stepper, row = attack.stepper(room), torch.arange(1)
    stepper.load(row, to_batch([job], device=network.device))
    made = 0
    while not stepper.finished[0]:
        point = stepper.point()
        asks = point.gradient and (point.asking is None or bool(point.asking[0]))
        if made + 1 + asks > budget:
            break
        made += 1 + asks
        slots.evaluate(stepper, network, point)
    return stepper.result(row).images[0], made


@settings(max_examples=12, deadline=None)
@given(budget=st.integers(1, 60), attack=st.sampled_from(STEPPED), size=st.sampled_from(SIZES))
def test_a_slot_is_stopped_where_its_next_passes_are_too_many(budget, attack, size):
    """Slots are refilled: there are more images than slots, and they end at different rounds."""
    todo = jobs(9)
    for job, each in zip(todo, attacked(attack, todo, budget, size), strict=True):
        image, made = by_hand(attack, job, budget)
        passes = each.outcome.passes
        assert passes.forwards + passes.backwards == made <= budget
        torch.testing.assert_close(each.candidate, image)
        best = each.outcome.best_query
        assert best.passes is None or best.passes <= made
        if each.outcome.status is Status.BROKEN and best.distance is not None:
            distance = getattr(each.outcome.norms, attack.norm)
            assert best.distance <= distance * (1 + 1e-6)
