"""EAD against convex solvers, bounds and an independent loop; rows keep to themselves."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from norm_toy import CLASSES, SIZE, batch_of, evaluate, linear, targets
from pydantic import ValidationError
from scipy.optimize import brentq

from harness.api import Slots, Status
from harness.testing.fakes import attack_all, jobs_for, linear_model
from harness_attacks.penalty.ead import EAD


def _nearest(across, margin, image, weight):
    """argmin |d|_2^2 + weight * |d|_1 with across @ d >= margin in the box, by its dual variable.

    For a price of the constraint each pixel has a closed form, and the gain rises with the price.
    """

    def best(price):
        size = np.maximum(price * np.abs(across) - weight, 0) / 2
        return np.clip(np.sign(across) * size, -image, 1 - image)

    return best(brentq(lambda price: across @ best(price) - margin, 0, 1e6, xtol=1e-14))


@pytest.mark.parametrize("beta", [1e-4, 1e-3])
@pytest.mark.parametrize(("low", "high", "scale"), [(0.3, 0.7, 8.0), (0.0, 1.0, 16.0)])
def test_linear_classifiers_reach_the_elastic_net_optimum(low, high, scale, beta):
    """A threshold of beta at steps of the learning rate makes FISTA weigh l1 by beta / rate.

    That objective's optimum is reached or, by the decision rule, improved on; the optimum of the
    decision rule itself never is.
    """
    weights, bias, images = linear(1, 2, low, high, scale, 8)
    network = linear_model(weights, bias, size=SIZE)
    attack = EAD(iterations=150, search_steps=8, beta=beta, decision_rule="en", abort_early=False)
    for row in attack_all(attack, network, jobs_for(network, images, [None] * 8)):
        across, margin = _across(weights, bias, row.job)
        image = row.job.image.flatten().double().numpy()
        own, least = (
            delta @ delta + beta * np.abs(delta).sum()
            for delta in (
                _nearest(across, margin, image, beta / attack.learning_rate),
                _nearest(across, margin, image, beta),
            )
        )
        assert row.outcome.status is Status.BROKEN
        assert (
            least * (1 - 1e-4)
            <= row.outcome.norms.l2**2 + beta * row.outcome.norms.l1
            <= own * 1.02
        )


def _across(weights, bias, job):
    """The direction towards the other class and the margin to be made up."""
    own, other = job.label, 1 - job.label
    across = (weights[other] - weights[own]).double().numpy()
    margin = -across @ job.image.flatten().double().numpy() + float(bias[own] - bias[other])
    return across, margin


def test_l1_is_never_below_its_bound_and_near_it_where_one_pixel_has_room():
    weights, _, images = linear(3, 2, 0.3, 0.7, 1.0, 10)
    weights[0] *= 0.3
    weights[1, 17] = 12  # one pixel that is worth more than all others
    images[:, 1, 0, 1] = 0.5
    flat = images.flatten(1) @ weights.T
    bias = -flat.mean(0)
    network = linear_model(weights, bias, size=SIZE)
    attack = EAD(beta=1e-2, iterations=200, abort_early=False)
    roomy = 0
    for row in attack_all(attack, network, jobs_for(network, images, [None] * 10)):
        across, margin = _across(weights, bias, row.job)
        bound = margin / np.abs(across).max()
        assert row.outcome.status is Status.BROKEN
        assert row.outcome.norms.l1 >= bound * (1 - 1e-4) - 1e-6
        if 0.01 < bound < 0.5:
            roomy += 1
            assert row.outcome.norms.l1 <= bound * 1.05 + 1e-6
    assert roomy >= 5


def _gap(network, x, job):
    logits = network(x)[0]
    own = job.label if job.target is None else job.target
    other = max(logits[i] for i in range(CLASSES) if i != own)
    return other - logits[own] if job.target is not None else logits[own] - other


def _reference(network, job, attack: EAD):
    """The attack in float64 with autograd; every iterate is tried, near or not.

    const, the loss at the last check, the best distance and the iterations of each step; a step
    that leaves the image as it is needs one.
    """
    image, beta = job.image[None].double(), attack.beta
    const, lower, upper, best, trace = attack.initial_const, 0.0, 1e10, math.inf, []
    for _ in range(attack.search_steps):
        x = y = image.clone()
        previous, found, loss, unmoved = math.inf, False, None, False
        for k in range(1, attack.iterations + 1):
            y = y.detach().requires_grad_(True)
            hinge = const * torch.clamp(_gap(network, y, job), min=-attack.kappa)
            smooth = hinge + (y - image).square().sum()
            (gradient,) = torch.autograd.grad(smooth, y)
            value = smooth.item() + beta * (y - image).abs().sum().item()
            rate = attack.learning_rate * (1 - (k - 1) / attack.iterations) ** 0.5
            moved = (y - rate * gradient).detach() - image
            shrunk = moved.sign() * (moved.abs() - beta).clamp(min=0)
            new = (image + shrunk).clamp(0, 1)
            momentum = k - 1 + attack.first_k
            x, y = new, new + momentum / (momentum + 3) * (new - x)
            delta = x - image
            if k == 1:
                unmoved = not delta.any()
            assert not (unmoved and delta.any())  # rates fall: what did not move never will
            gap = _gap(network, x, job).item()
            if -gap >= attack.kappa and gap != 0:
                found = True
                distance = delta.abs().sum()
                if attack.decision_rule == "en":
                    distance = delta.square().sum() + beta * distance
                best = min(best, distance.item())
            if attack.abort_early and k == 1:
                previous = value
            if attack.abort_early and k % max(10, attack.iterations // 10) == 0:
                loss = value
                if value > 0.9999 * previous:
                    break
                previous = value
        trace.append((const, None if unmoved else loss, best, 1 if unmoved else k))
        if found:
            upper = const
        else:
            lower = const
        const = (lower + upper) / 2 if upper < 1e10 else const * 10
    return trace


@pytest.mark.parametrize("rule", ["l1", "en"])
@pytest.mark.parametrize(("abort_early", "kappa"), [(False, 0.0), (True, 0.0), (True, 1.5)])
def test_one_image_follows_an_independent_loop(model, images, abort_early, kappa, rule):
    attack = EAD(
        iterations=40, search_steps=5, learning_rate=2e-2, initial_const=0.1, beta=3e-3,
        kappa=kappa, abort_early=abort_early, decision_rule=rule, first_k=int(rule == "l1"),
    )  # fmt: skip
    network = copy.deepcopy(model.differentiable).double()
    lengths, broken = set(), 0
    for job in jobs_for(model, images[:2], targets(model, images[:2])):
        expected = _reference(network, job, attack)
        slots = Slots(1, model.shape, CLASSES, torch.device("cpu"), model.memory_format)
        stepper = attack.stepper(slots)
        stepper.load(torch.tensor([0]), batch_of(job))
        for step, (const, loss, best, count) in enumerate(expected):
            backwards = 0
            assert stepper.const.item() == pytest.approx(const, rel=1e-12)
            while stepper.search_step.item() == step:
                backwards += stepper.point().gradient
                evaluate(model, stepper)
            assert backwards == count
            if loss is not None:
                assert stepper.loss.item() == pytest.approx(loss, rel=1e-3)
            assert stepper.best.item() == pytest.approx(best, rel=1e-3)
            lengths.add(count)
        assert stepper.finished.item()
        broken += expected[-1][2] < math.inf
    assert broken
    if kappa == 0:
        assert (len(lengths - {1}) > 1) == abort_early


def test_second_forwards_are_made_only_where_they_can_matter(model, images):
    """Counted against a replay that knows, at each iterate, what had been found before."""
    jobs = jobs_for(model, images[:8], targets(model, images[:8]))
    attack = EAD(iterations=30, search_steps=4, initial_const=0.3, abort_early=False)
    rows = attack_all(attack, model, jobs, batch_size=5)
    for row in rows[:3]:
        network = copy.deepcopy(model.differentiable).double()
        firsts, seconds = _evaluations(network, row.job, attack)
        assert row.outcome.passes.backwards == firsts
        assert abs(row.outcome.passes.forwards - firsts - seconds) <= 2  # float64 there
    assert all(
        row.outcome.passes.backwards
        < row.outcome.passes.forwards
        < 2 * row.outcome.passes.backwards
        for row in rows
    )
    assert any(row.outcome.passes.backwards < 120 for row in rows)
    assert any(row.outcome.passes.backwards == 120 for row in rows)
    lazy = attack_all(attack.model_copy(update={"lazy_margin": 0.3}), model, jobs, batch_size=5)
    assert sum(row.outcome.passes.forwards for row in lazy) < 0.95 * sum(
        row.outcome.passes.forwards for row in rows
    )
    for row, other in zip(rows, lazy, strict=True):
        assert other.outcome.status is row.outcome.status
        assert other.outcome.passes.backwards == row.outcome.passes.backwards
    frugal = attack_all(attack.model_copy(update={"lazy_margin": 1e9}), model, jobs, batch_size=5)
    assert [row.outcome.norms.l1 for row in frugal] == [row.outcome.norms.l1 for row in rows]


def _evaluations(network, job, attack: EAD) -> tuple[int, int]:
    """Momentum points and iterates that have to be evaluated."""
    image, points, wanted = job.image[None].double(), 0, 0
    const, lower, upper, best = attack.initial_const, 0.0, 1e10, math.inf
    for step in range(attack.search_steps):
        x = y = image.clone()
        found = False
        for k in range(1, attack.iterations + 1):
            y = y.detach().requires_grad_(True)
            smooth = const * _gap(network, y, job).clamp(min=0) + (y - image).square().sum()
            (gradient,) = torch.autograd.grad(smooth, y)
            rate = attack.learning_rate * (1 - (k - 1) / attack.iterations) ** 0.5
            moved = (y - rate * gradient).detach() - image
            new = image + moved.sign() * (moved.abs() - attack.beta).clamp(min=0)
            new = new.clamp(0, 1)
            x, y = new, new + k / (k + 3) * (new - x)
            distance = (x - image).abs().sum().item()
            points += 1
            if k == 1 and distance == 0:
                break
            steering = not found and step < attack.search_steps - 1
            if (steering or distance < best) and distance > 0:
                wanted += 1
                if _gap(network, x, job).item() < 0:
                    found, best = True, min(best, distance)
        if found:
            upper = const
        else:
            lower = const
        const = (lower + upper) / 2 if upper < 1e10 else const * 10
    return points, wanted


@pytest.mark.parametrize("settings", [{}, {"decision_rule": "en", "lazy_margin": 0.2}])
def test_batch_size_and_order_change_nothing(model, images, settings):
    jobs = jobs_for(model, images, targets(model, images))
    attack = EAD(iterations=20, search_steps=3, initial_const=0.5, **settings)
    reference = attack_all(attack, model, jobs, batch_size=64)
    assert len({row.outcome.passes.backwards for row in reference}) > 1
    for size in (1, 7):
        chosen = jobs if size == 7 else jobs[:5]
        run = attack_all(attack, model, chosen[::-1], batch_size=size)[::-1]
        assert [row.outcome.status for row in run] == [
            row.outcome.status for row in reference[: len(run)]
        ]
        close = [
            abs(row.outcome.norms.l1 - other.outcome.norms.l1) <= 1e-3 * other.outcome.norms.l1
            for row, other in zip(run, reference, strict=False)
        ]
        assert sum(close) >= 0.99 * len(close)


def test_images_loaded_in_mid_flight_fare_the_same(model, images):
    """Rows at different iterations and steps, idle rows and shrinking change no result."""
    jobs = jobs_for(model, images[:5], targets(model, images[:5]))
    attack = EAD(iterations=25, search_steps=3, initial_const=0.5)
    alone = [attack_all(attack, model, [job])[0] for job in jobs]
    slots = Slots(3, model.shape, CLASSES, torch.device("cpu"), model.memory_format)
    stepper = attack.stepper(slots)
    holding: list[int | None] = [None] * 3
    waiting, results = list(range(5)), {}
    for round_ in range(600):
        for row in range(len(holding)):
            if holding[row] is None and waiting and round_ >= 7 * row:
                holding[row] = waiting.pop(0)
                stepper.load(torch.tensor([row]), batch_of(jobs[holding[row]]))
        evaluate(model, stepper)
        for row, index in enumerate(holding):
            if index is not None and stepper.finished[row]:
                results[index] = stepper.result(torch.tensor([row])).images[0].clone()
                holding[row] = None
        kept = [row for row, index in enumerate(holding) if index is not None]
        if not waiting and 0 < len(kept) < len(holding):
            stepper.keep(torch.tensor(kept))
            holding = [holding[row] for row in kept]
        if len(results) == 5:
            break
    for index, row in enumerate(alone):
        assert (results[index] - row.candidate).abs().max() <= 1e-5


@pytest.mark.parametrize("beta", [0.0, 1e-2])
def test_extreme_inputs_end_in_a_verdict(model, beta):
    """Saturated pixels, huge logits and a flat model: robust or broken, never NaN."""
    corners = torch.cat([torch.zeros(2, 3, *SIZE), torch.ones(2, 3, *SIZE)])
    weights, bias, _ = linear(3, CLASSES, 0.0, 1.0, 1.0, 4)
    loud = linear_model(weights * 1e6, bias * 1e6, size=SIZE)
    flat = linear_model(weights * 0, bias * 0, size=SIZE)
    attack = EAD(iterations=20, search_steps=14, beta=beta)
    for network in (model, loud, flat):
        for row in attack_all(attack, network, jobs_for(network, corners, [None] * 4)):
            assert row.outcome.status in (Status.ROBUST, Status.BROKEN)
            assert row.candidate.isfinite().all()
            if row.outcome.status is Status.BROKEN:
                assert row.outcome.numbers["const"] > 0
            if network is flat:
                assert row.outcome.norms.l0 == 0


@pytest.mark.parametrize(
    "wrong",
    [{"learning_rate": -1e-3}, {"iterations": 0}, {"search_steps": 0}, {"kappa": -1},
     {"initial_const": 0}, {"beta": -1e-3}, {"decision_rule": "l2"}, {"lazy_margin": -1},
     {"warm_start": True}],
)  # fmt: skip
def test_bad_parameters_are_refused_by_name(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        EAD(**wrong)


def test_presets_are_the_published_settings():
    paper = EAD(**EAD.presets["paper"])
    assert (paper.iterations, paper.search_steps, paper.initial_const) == (1000, 9, 0.01)
    assert (paper.beta, paper.learning_rate, paper.decision_rule) == (1e-3, 1e-2, "l1")
    assert paper.abort_early
    assert EAD(**EAD.presets["survey-code"]) == paper
    original = EAD(**EAD.presets["ead-original"], kappa=2)
    assert (original.beta, original.initial_const, original.abort_early) == (1e-2, 1e-3, False)
    assert (original.confidence, original.budget) == (2, None)
