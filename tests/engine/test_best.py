"""The best point over every query: against brute force, and closed forms on linear models."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from query_toy import SIZE, VALUES, jobs, model

from harness.api import (
    TRACE_PASSES,
    Access,
    Attack,
    Norm,
    Status,
    margin,
    succeeded,
)
from harness.testing.fakes import attack_all, jobs_for, linear_model

ORDERS = {Norm.LINF: torch.inf, Norm.L2: 2, Norm.L1: 1}


class Wanders(Attack):
    """Random queries around each image, in the way that ``how`` says; it returns the image."""

    access: ClassVar[Access] = Access.WHITE_BOX
    asked: ClassVar[list[Any]] = []
    norm: ClassVar[Norm] = Norm.L2
    stochastic: ClassVar[bool] = True
    how: str = "whole"
    rounds: int = 6
    size: float = 0.3

    def perturb(self, target, batch):
        made = dict.fromkeys(batch.seeds, 0)
        for number in range(self.rounds):
            points = batch.images + self.size * batch.noise(number) / (1 + number)
            if number % 3 == 2:
                points = points.clamp(0, 1)
            self.ask(target, batch, points, made)
        return batch.images

    def ask(self, target, batch, points, made):
        every = torch.arange(len(points))
        if self.how == "rows":
            mine = [row for row, seed in enumerate(batch.seeds) if seed % 2 or made[seed] < 3]
            if not mine:
                return
            every = torch.tensor(mine)
            every = torch.cat((every, every[:1]))  # one row twice
        elif self.how == "each":
            every = every[:1].expand(2) if len(points) == 1 else every
        images = points[every]
        if self.how == "each" and len(points) == 1:
            images = torch.cat((points, batch.images + 0.5 * (points - batch.images)))
        for row in every.tolist():
            made[batch.seeds[row]] += 1
        for row, image in zip(every.tolist(), images, strict=True):
            self.asked.append((batch.seeds[row], image.clone(), made[batch.seeds[row]]))
        if self.how == "gradient":
            target.gradient(images, lambda z: margin(z, batch.classes, batch.targeted))
            made.update({seed: count + 1 for seed, count in made.items()})
        elif self.how in ("module", "each"):
            target.model()(images)
        elif self.how == "labels":
            target.labels(images)
        elif self.how == "rows":
            target.logits(images, every)
        else:
            target.logits(images)
        images.zero_()  # what is asked about may be overwritten afterwards


def attack_of(how, norm, budget=None):
    names = {"norm": norm, "asked": [], "budget": property(lambda self: budget)}
    names["__annotations__"] = {"norm": ClassVar[Norm], "asked": ClassVar[list[Any]]}
    return type("Wandering", (Wanders,), names)(how=how)


def nearest(attack, job, budget=None):
    """By brute force: (distance, passes) of the nearest adversarial query; None: there is none."""
    found = []
    for seed, image, passes in attack.asked:
        if seed != job.seed or image.min() < 0 or image.max() > 1:
            continue
        logits = model().predict(image[None])
        classes = torch.tensor([job.label if job.target is None else job.target])
        if not succeeded(logits, classes, torch.tensor([job.target is not None])):
            continue
        change = (image - job.image).double().flatten()
        if attack.norm is Norm.L0:
            distance = float((change != 0).sum())
        else:
            distance = float(torch.linalg.vector_norm(change, ORDERS[attack.norm]))
        if budget is None or distance <= budget:
            found.append((distance, passes))
    return min(found, default=None)


@pytest.mark.parametrize("norm", Norm)
@pytest.mark.parametrize("how", ["whole", "rows", "gradient", "module", "labels"])
def test_it_is_the_nearest_adversarial_query(how, norm):
    todo, attack = jobs(14), attack_of(how, norm)
    judged = attack_all(attack, model(), todo, batch_size=7)
    kinds = set()
    for job, each in zip(todo, judged, strict=True):
        best, expected = each.outcome.best_query, nearest(attack, job)
        kinds.add(expected is None)
        if expected is None:
            assert (best.status, best.distance, best.passes) == (Status.ROBUST, None, None)
            assert best.trace == ()
            continue
        assert best.status is Status.BROKEN
        assert best.distance == pytest.approx(expected[0], rel=1e-5)
        assert best.passes == expected[1]
        assert each.outcome.status is Status.ROBUST  # it returned the image itself
    assert kinds == {True, False}


@pytest.mark.parametrize("norm", [Norm.LINF, Norm.L2])
def test_with_a_budget_it_is_among_the_queries_within(norm):
    todo = jobs(14)
    budget = 0.25 if norm is Norm.LINF else 0.6
    attack = attack_of("whole", norm, budget)
    judged = attack_all(attack, model(), todo, batch_size=7)
    found = [nearest(attack, job, budget) for job in todo]
    free = [nearest(attack, job) for job in todo]
    assert sum(each is not None for each in found) not in (
        0,
        sum(each is not None for each in free),
    )
    for each, expected in zip(judged, found, strict=True):
        distance = each.outcome.best_query.distance
        assert distance == (None if expected is None else pytest.approx(expected[0], rel=1e-5))


def test_of_several_queries_of_one_image_each_counts():
    todo, attack = jobs(14), attack_of("each", Norm.L2)
    judged = attack_all(attack, model(), todo, batch_size=1)
    found = [nearest(attack, job) for job in todo]
    assert any(found)
    for each, expected in zip(judged, found, strict=True):
        best = each.outcome.best_query
        if expected is not None:
            assert best.distance == pytest.approx(expected[0], rel=1e-5)
            assert best.passes == expected[1]


class Doubled(Wanders):
    """It asks about two images a row, and nobody knows which is whose."""

    asked: ClassVar[list[Any]] = []

    def ask(self, target, batch, points, made):
        target.model()(torch.cat((points, points)))


class Private(Wanders):
    best_query: ClassVar[bool] = False
    asked: ClassVar[list[Any]] = []


def test_where_nobody_knows_whose_a_query_is_none_is_kept():
    for each in attack_all(Doubled(), model(), jobs(5)):
        assert each.outcome.best_query.status is Status.ROBUST


def test_an_attack_may_refuse_it():
    for each in attack_all(Private(), model(), jobs(5)):
        assert each.outcome.best_query is None


@settings(max_examples=8, deadline=None)
@given(how=st.sampled_from(["whole", "module"]), seed=st.integers(0, 99))
def test_it_does_not_depend_on_batch_mates(how, seed):
    todo = jobs(9, seed)
    found = []
    for size in (1, 7, 64):
        judged = attack_all(attack_of(how, Norm.L1), model(), todo, batch_size=size)
        found.append([each.outcome.best_query for each in judged])
    for alone, *others in zip(*found, strict=True):
        for each in others:
            assert each.passes == alone.passes
            assert each.distance == (alone.distance and pytest.approx(alone.distance, rel=1e-5))


class Approaches(Attack):
    """From far towards the boundary of a linear model with two classes: query k is at 2 / k."""

    norm: ClassVar[Norm] = Norm.L2

    def perturb(self, target, batch):
        direction = torch.zeros_like(batch.images)
        direction[:, 0, 0, 0] = 1
        for number in range(1, 41):
            last = batch.images + (0.8 / number) * direction
            target.logits(last)
        return last


def test_closed_form_and_trace_on_a_linear_model():
    """The first value decides, at 0.052 above the image's: the smallest step beyond is 0.8/15."""
    weights = torch.zeros((2, VALUES))
    weights[0, 0] = 1.0
    linear = linear_model(weights, torch.tensor([-0.152, 0.0]), size=SIZE)
    (job,) = jobs_for(linear, torch.full((1, 3, *SIZE), 0.1), [None])
    (each,) = attack_all(Approaches(), linear, [job])
    best = each.outcome.best_query
    assert best.passes == 15
    assert best.distance == pytest.approx(0.8 / 15, rel=1e-5)
    assert TRACE_PASSES[:5] == (1, 2, 5, 10, 20)
    assert best.trace == pytest.approx((0.8, 0.4, 0.16, 0.08, 0.8 / 15), rel=1e-5)
    assert each.outcome.status is Status.ROBUST
    assert each.outcome.passes.forwards == 40
