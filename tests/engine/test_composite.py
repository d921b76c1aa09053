"""Composites: an image goes through the members, judged by the harness, whatever they declare."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from pydantic import SerializeAsAny
from torch import nn

from harness.api import (
    Attack,
    AttackParameters,
    Candidates,
    CompositeAttack,
    Norm,
    Outcome,
    Passes,
    Status,
)
from harness.engine.batches import attack_images
from harness.engine.jobs import Job
from harness.engine.judge import BUDGET_TOLERANCE
from harness.identity import seed_of
from harness.testing.fakes import attack_all, jobs_for, pixel_model
from harness_attacks.penalty.cw import CW
from harness_attacks.sign.fgsm import FGSM, IFGSM

SIZE, CLASSES = (3, 3), 4


class Chain(CompositeAttack):
    """Any attacks in order."""

    norm: ClassVar[Norm] = Norm.LINF
    attacks: tuple[SerializeAsAny[AttackParameters], ...]
    epsilon: float | None = None

    @property
    def budget(self) -> float | None:
        return self.epsilon

    def members(self) -> tuple[AttackParameters, ...]:
        return self.attacks


class ChainL2(Chain):
    norm: ClassVar[Norm] = Norm.L2


class Noise(Attack):
    """One step into a random direction of its own."""

    norm: ClassVar[Norm] = Norm.LINF
    stochastic: ClassVar[bool] = True
    epsilon: float = 0.3

    @property
    def budget(self) -> float | None:
        return self.epsilon

    def perturb(self, target, batch):
        target.logits(batch.images)
        return (batch.images + self.epsilon * batch.noise(0).sign()).clamp(0, 1)


class Faulty(Attack):
    """Does ``fault`` to the images whose first pixel is below a half, nothing to the others."""

    norm: ClassVar[Norm] = Norm.LINF
    fault: str
    epsilon: float = 0.3

    @property
    def budget(self) -> float | None:
        return self.epsilon

    def perturb(self, target, batch):
        low = batch.images[:, 0, 0, 0] < 0.5
        if self.fault == "raises" and low.any():
            raise RuntimeError("no mood")
        wrong = float("nan") if self.fault == "nan" else 2.0
        return torch.where(low.view(-1, 1, 1, 1), wrong, batch.images)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(27, 8), nn.Tanh(), nn.Linear(8, CLASSES))
    with torch.no_grad():
        network[1].weight *= 3
    return pixel_model(network, classes=CLASSES, size=SIZE)


@pytest.fixture(scope="module")
def jobs(model) -> list[Job]:
    images = torch.rand(30, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    return jobs_for(model, images, [None] * 30)


def apart(attack: AttackParameters, model, jobs: list[Job], member: int) -> list[Any]:
    """A member by itself, with the random numbers that it has as a member."""
    own = [
        Job(
            job.cell,
            job.image_id,
            job.image,
            job.label,
            job.target,
            seed_of("member", job.seed, member),
        )
        for job in jobs
    ]
    return attack_all(attack, model, own)


def same(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are alike, norms to the last few bits."""
    facts = [
        (each.status, each.passes, each.error, each.numbers["member"]) for each in (one, other)
    ]
    sizes = [[getattr(each.norms, norm) for norm in Norm] for each in (one, other)]
    return facts[0] == facts[1] and sizes[0] == pytest.approx(sizes[1], rel=1e-5)


STEPS = [Noise(epsilon=0.06), FGSM(epsilon=0.04), IFGSM(epsilon=0.06, steps=7)]
"""Each breaks some image that those before it do not."""


def test_the_worst_case_is_the_members_apart_less_what_the_early_exit_saves(model, jobs):
    found = attack_all(Chain(attacks=STEPS, epsilon=0.06), model, jobs)
    each = [apart(attack, model, jobs, place) for place, attack in enumerate(STEPS)]
    members = set()
    for number, row in enumerate(found):
        rows = [rows[number].outcome for rows in each]
        broke = [place for place, outcome in enumerate(rows) if outcome.status is Status.BROKEN]
        took = rows[: broke[0] + 1] if broke else rows
        assert row.outcome.status is (Status.BROKEN if broke else Status.ROBUST)
        total = (sum(o.passes.forwards for o in took), sum(o.passes.backwards for o in took))
        assert row.outcome.passes == Passes(*total)
        own = {f"passes.{k}": o.passes.forwards + o.passes.backwards for k, o in enumerate(took)}
        best = broke[0] if broke else max(range(3), key=lambda k: rows[k].verdict.margin)
        assert row.outcome.numbers.items() >= {**own, "member": best}.items()
        assert torch.allclose(row.candidate, each[best][number].candidate, atol=1e-6)
        assert row.job == jobs[number]
        members.add((best, bool(broke)))
    assert {place for place, broke in members if broke} == {0, 1, 2}
    assert any(not broke for _, broke in members)


def test_without_a_budget_every_member_attacks_and_the_nearest_candidate_counts(model, jobs):
    attacks = [
        CW(search_steps=2, iterations=15, initial_const=1.0, learning_rate=0.05),
        IFGSM(attempts=5, steps=4),
    ]
    found = attack_all(ChainL2(attacks=attacks), model, jobs)
    each = [apart(attack, model, jobs, place) for place, attack in enumerate(attacks)]
    for number, row in enumerate(found):
        rows = [rows[number].outcome for rows in each]
        sizes = {k: o.norms.l2 for k, o in enumerate(rows) if o.status is Status.BROKEN}
        assert row.outcome.passes.forwards == sum(o.passes.forwards for o in rows)
        if sizes:
            assert row.outcome.status is Status.BROKEN
            assert row.outcome.norms.l2 == pytest.approx(min(sizes.values()), rel=1e-5)
            assert sizes[int(row.outcome.numbers["member"])] == min(sizes.values())
    assert {row.outcome.numbers["member"] for row in found} == {0, 1}


@pytest.mark.parametrize("size", [1, 7, 64])
def test_an_outcome_does_not_depend_on_the_batch_or_on_how_many_go_together(
    size, model, jobs, monkeypatch
):
    attack = Chain(attacks=STEPS, epsilon=0.06)
    expected = attack_all(attack, model, jobs)
    monkeypatch.setattr("harness.engine.composite.ROOM", 1)
    found = attack_all(attack, model, jobs, batch_size=size)
    for row, other in zip(found, expected, strict=True):
        assert same(row.outcome, other.outcome)


@pytest.mark.parametrize("budget", [1, 3, 6, 10, 100])
def test_a_budget_of_passes_is_that_of_all_members_together(budget, model, jobs):
    attack = Chain(attacks=STEPS, epsilon=0.06)
    bounded = attack_all(attack, model, [replace(job, budget=budget) for job in jobs])
    for row, free in zip(bounded, attack_all(attack, model, jobs), strict=True):
        made = row.outcome.passes.forwards + row.outcome.passes.backwards
        assert made <= budget
        if free.outcome.passes.forwards + free.outcome.passes.backwards <= budget:
            assert same(row.outcome, free.outcome)
        assert row.outcome.status.judged
        members = [name for name in row.outcome.numbers if name.startswith("passes.")]
        assert len(members) <= 1 if budget == 1 else len(members) <= 3


def test_members_draw_numbers_of_their_own(model, jobs):
    twice = attack_all(ChainL2(attacks=[Noise(epsilon=0.001)] * 2), model, jobs)
    first = apart(Noise(epsilon=0.001), model, jobs, 0)
    second = apart(Noise(epsilon=0.001), model, jobs, 1)
    differ = [not torch.equal(a.candidate, b.candidate) for a, b in zip(first, second, strict=True)]
    assert all(differ)
    assert {row.outcome.numbers["member"] for row in twice} == {0, 1}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raises", "RuntimeError: no mood"),
        ("nan", "NaN or infinity"),
        ("outside", "leaves [0, 1]"),
    ],
)
def test_a_member_that_fails_costs_an_image_that_member_alone(fault, said, model, jobs):
    breaks = IFGSM(epsilon=0.06, steps=7)
    found = attack_all(Chain(attacks=[Faulty(fault=fault), breaks], epsilon=0.3), model, jobs)
    alone = apart(breaks, model, jobs, 1)
    statuses = set()
    for row, other in zip(found, alone, strict=True):
        low = bool(row.job.image[0, 0, 0] < 0.5)
        broken = other.outcome.status is Status.BROKEN
        expected = Status.BROKEN if broken else Status.ERROR if low else Status.ROBUST
        statuses.add(expected)
        assert row.outcome.status is expected
        assert row.outcome.passes == other.outcome.passes
        if expected is Status.ERROR:
            assert row.outcome.error.startswith("member 0: ")
            assert said in row.outcome.error
            assert row.candidate is None
            assert row.is_attacks_fault
    assert statuses == {Status.BROKEN, Status.ERROR, Status.ROBUST}


class Unreliable(Chain):
    """Its list of members is wrong."""

    wrong: str

    def members(self) -> Any:
        if self.wrong == "raises":
            raise OSError("no list")
        return [] if self.wrong == "empty" else [FGSM(), "apgd"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("raises", "OSError: no list"), ("empty", "no members"), ("text", "member is str")],
)
def test_a_list_of_members_that_is_none_is_an_error_of_every_image(wrong, said, model, jobs):
    for row in attack_all(Unreliable(attacks=[], wrong=wrong), model, jobs[:3]):
        assert row.outcome.status is Status.ERROR
        assert said in row.outcome.error


class Far(Attack):
    """The other side of the unit cube: breaks far away, in a norm of its own."""

    norm: ClassVar[Norm] = Norm.L2

    def perturb(self, target, batch):
        return Candidates(1 - batch.images, {"mark": batch.images[:, 0, 0, 0]})


@pytest.mark.parametrize("norm", list(Norm))
def test_a_candidate_beyond_the_budget_is_pulled_back_before_the_verdict(norm, model, jobs):
    kind = type("Bounded", (Chain,), {"norm": norm, "__annotations__": {"norm": ClassVar[Norm]}})
    budget = {"linf": 0.05, "l2": 0.4, "l1": 0.6, "l0": 3}[norm]
    found = attack_all(kind(attacks=[Far()], epsilon=budget), model, jobs)
    for row in found:
        assert row.outcome.status.judged
        assert getattr(row.outcome.norms, norm) <= budget * (1 + BUDGET_TOLERANCE)
        assert getattr(row.outcome.norms, norm) >= budget * (1 - 1e-5)
        label = model.predict(row.candidate[None]).argmax().item()
        assert (row.outcome.status is Status.BROKEN) == (label != row.job.label)
        moved, line = row.candidate - row.job.image, 1 - 2 * row.job.image
        if norm is not Norm.L0:
            cosine = torch.cosine_similarity(moved.flatten(), line.flatten(), dim=0)
            assert cosine > 0.999


def test_a_member_whose_own_budget_is_larger_breaks_nothing_beyond_the_composites(model, jobs):
    found = attack_all(Chain(attacks=[FGSM(epsilon=0.2)], epsilon=0.1), model, jobs[:4])
    assert {row.outcome.error for row in found} == {"member 0: the candidate exceeds linf 0.1"}


def test_a_composite_within_a_composite_counts_all_passes(model, jobs):
    inner = Chain(attacks=STEPS[:2], epsilon=0.06)
    nested = attack_all(Chain(attacks=[inner, STEPS[2]], epsilon=0.06), model, jobs)
    for row in nested:
        made = [value for name, value in row.outcome.numbers.items() if name.startswith("passes.")]
        assert sum(made) == row.outcome.passes.forwards + row.outcome.passes.backwards
    assert Chain(attacks=[inner, STEPS[2]]).passes is None
    known = Chain(attacks=[FGSM(epsilon=0.1), IFGSM(epsilon=0.1, steps=7)])
    assert known.passes == Passes(8, 8)


def test_lack_of_memory_halves_the_batch_for_the_members_that_follow(model, jobs):
    class Starved(nn.Module):
        def __init__(self, network, room):
            super().__init__()
            self.network, self.room, self.seen = network, room, []

        def forward(self, images):
            self.seen.append(len(images))
            if len(images) > self.room:
                raise torch.OutOfMemoryError("CUDA out of memory (scripted)")
            return self.network(images)

    network = nn.Sequential(nn.Flatten(), nn.Linear(27, CLASSES))
    small = pixel_model(network, classes=CLASSES, size=SIZE)
    attack = Chain(attacks=STEPS, epsilon=0.06)
    todo = jobs_for(small, torch.stack([job.image for job in jobs]), [None] * len(jobs))
    expected = attack_all(attack, small, todo, batch_size=12)
    starved = small.differentiable.network = Starved(small.differentiable.network, 3)
    halvings: list[int] = []
    rows = attack_images(attack, small, iter(todo), batch_size=12, on_halving=halvings.append)
    found = {row.job.image_id: row for each in rows for row in each}
    assert halvings == [6, 3]
    assert max(starved.seen[-5:]) <= 3
    for row in expected:
        assert same(found[row.job.image_id].outcome, row.outcome)


def test_what_the_stream_of_images_raises_is_its_own(model, jobs):
    def broken():
        yield from jobs[:2]
        raise LookupError("no more images")

    with pytest.raises(LookupError, match="no more images"):
        list(
            attack_images(
                Chain(attacks=STEPS, epsilon=0.06),
                model,
                broken(),
                batch_size=8,
                on_halving=lambda size: None,
            )
        )
