"""C&W against closed forms, scipy and an independent loop; rows keep out of each other's way."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from norm_toy import CLASSES, SIZE, VALUES, batch_of, evaluate, linear, targets
from pydantic import ValidationError
from scipy.optimize import minimize
from torch import nn

from harness.api import Batch, Goal, Passes, Slots, Status
from harness.engine.jobs import to_batch
from harness.plugins import installed
from harness.registry import load
from harness.resolve.prepare import prepare
from harness.resolve.request import Request
from harness.testing.fakes import attack_all, jobs_for, linear_model, pixel_model
from harness_attacks.penalty.cw import CW


@pytest.mark.parametrize("abort_early", [False, True])
def test_linear_classifiers_approach_the_distance_to_the_plane(abort_early):
    weights, bias, images = linear(1, 2, 0.45, 0.55, 1.0, 16)
    network = linear_model(weights, bias, size=SIZE)
    attack = CW(iterations=200, learning_rate=1e-2, abort_early=abort_early)
    for row in attack_all(attack, network, jobs_for(network, images, [None] * 16)):
        own, other = row.job.label, 1 - row.job.label
        across = (weights[own] - weights[other]).double()
        margin = across @ row.job.image.flatten().double() + bias[own] - bias[other]
        exact = float(margin / across.norm())
        assert row.outcome.status is Status.BROKEN
        assert exact * (1 - 1e-4) - 1e-6 <= row.outcome.norms.l2 <= exact * 1.02 + 1e-6


def test_with_the_box_active_it_agrees_with_a_convex_solver():
    weights, bias, images = linear(2, 3, 0.02, 0.98, 8.0, 10)
    network = linear_model(weights, bias, size=SIZE)
    labels = network.predict(images).argmax(1).tolist()
    targets = [(label + 1 + row % 2) % 3 for row, label in enumerate(labels)]
    attack = CW(iterations=400, learning_rate=2e-2, search_steps=12, abort_early=False)
    active = 0
    for row in attack_all(attack, network, jobs_for(network, images, targets)):
        exact, touching = _convex(weights.double().numpy(), bias.double().numpy(), row.job)
        active += touching
        assert row.outcome.status is Status.BROKEN
        assert exact * (1 - 1e-4) <= row.outcome.norms.l2 <= exact * 1.02
    assert active >= 5


def _convex(weights, bias, job) -> tuple[float, bool]:
    """min |d|_2 so that the target's logit is the largest, in the box; and whether it binds."""
    image = job.image.flatten().double().numpy()
    others = [k for k in range(len(bias)) if k != job.target]
    planes = weights[job.target] - weights[others]
    slack = planes @ image + bias[job.target] - bias[others]
    solution = minimize(
        lambda d: d @ d,
        np.zeros(VALUES),
        jac=lambda d: 2 * d,
        method="SLSQP",
        bounds=list(zip(-image, 1 - image, strict=True)),
        constraints={"type": "ineq", "fun": lambda d: slack + planes @ d, "jac": lambda d: planes},
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert solution.success
    end = image + solution.x
    moved = np.abs(solution.x) > 1e-3
    return float(np.linalg.norm(solution.x)), bool(
        (((end < 1e-6) | (end > 1 - 1e-6)) & moved).any()
    )


def _reference(network, job, attack: CW):
    """FACTS, section 2, in float64 with autograd: const, last loss and best l2 of each step."""
    image = job.image[None].double()
    start = torch.atanh((2 * image - 1) * 0.999999)
    own = job.label if job.target is None else job.target
    const, lower, upper, best, trace = attack.initial_const, 0.0, 1e10, math.inf, []
    w = start.clone()
    for _ in range(attack.search_steps):
        if not attack.warm_start:
            w = start.clone()
        first = second = torch.zeros_like(w)
        previous, found = math.inf, False
        for k in range(1, attack.iterations + 1):
            w.requires_grad_(True)
            x = (torch.tanh(w) + 1) / 2
            logits = network(x)[0]
            other = max(logits[i] for i in range(CLASSES) if i != own)
            gap = other - logits[own] if job.target is not None else logits[own] - other
            loss = const * torch.clamp(gap, min=-attack.kappa) + (x - image).square().sum()
            (gradient,) = torch.autograd.grad(loss, w)
            if -gap.item() >= attack.kappa and gap.item() != 0:
                found = True
                best = min(best, (x - image).norm().item())
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient.square()
            if attack.adam_epsilon == "inside":
                rate = attack.learning_rate * math.sqrt(1 - 0.999**k) / (1 - 0.9**k)
                w = (w - rate * first / torch.sqrt(second + 1e-8)).detach()
            else:
                size = torch.sqrt(second / (1 - 0.999**k)) + 1e-8
                w = (w - attack.learning_rate * first / (1 - 0.9**k) / size).detach()
            if attack.abort_early and k == 1:
                previous = loss.item()
            if attack.abort_early and k % max(10, attack.iterations // 10) == 0:
                if loss.item() > 0.9999 * previous:
                    break
                previous = loss.item()
        trace.append((const, loss.item(), best, k))
        if found:
            upper = const
        else:
            lower = const
        const = (lower + upper) / 2 if upper < 1e10 else const * 10
    return trace


@pytest.mark.parametrize("kappa", [0.0, 1.5])
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("abort_early", [False, True])
@pytest.mark.parametrize("adam_epsilon", ["inside", "outside"])
def test_one_image_follows_an_independent_loop(
    model, images, adam_epsilon, abort_early, warm_start, kappa
):
    attack = CW(
        iterations=50, search_steps=5, learning_rate=4e-2, initial_const=0.5, kappa=kappa,
        abort_early=abort_early, warm_start=warm_start, adam_epsilon=adam_epsilon,
    )  # fmt: skip
    network = copy.deepcopy(model.differentiable).double()
    lengths, broken = set(), 0
    for job in jobs_for(model, images[:2], targets(model, images[:2])):
        expected = _reference(network, job, attack)
        slots = Slots(1, model.shape, CLASSES, torch.device("cpu"), model.memory_format)
        stepper = attack.stepper(slots)
        stepper.load(torch.tensor([0]), batch_of(job))
        for step, (const, loss, best, count) in enumerate(expected):
            assert stepper.const.item() == pytest.approx(const, rel=1e-12)
            assert stepper.search_step.item() == step
            for _ in range(count):
                assert stepper.search_step.item() == step
                evaluate(model, stepper)
            assert stepper.loss.item() == pytest.approx(loss, rel=1e-3)
            assert stepper.best.item() == pytest.approx(best, rel=1e-3)
            lengths.add(count)
        assert stepper.finished.item()
        broken += expected[-1][2] < math.inf
    assert broken
    if kappa == 0:
        assert (len(lengths) > 1) == abort_early


def _flat_network():
    """Logits a millionth as steep as usual: gradients as of photographs, far under 1e-4."""
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.SiLU(), nn.Flatten(), nn.Linear(128, CLASSES)
    )
    network[3].weight.data.mul_(1e-3)
    network[3].bias.data.mul_(1e-3)
    return pixel_model(network, classes=CLASSES, size=SIZE)


def test_outside_is_the_adam_of_torch(images):
    """10 iterations of one binary-search step on small gradients; the survey's Adam lags behind."""
    model, count = _flat_network(), 4
    network = copy.deepcopy(model.differentiable).double()
    jobs = jobs_for(model, images[:count], [None] * count)
    moved = {}
    for where in ("inside", "outside"):
        attack = CW(iterations=100, search_steps=1, initial_const=1.0, learning_rate=1e-2,
                    abort_early=False, adam_epsilon=where)  # fmt: skip
        slots = Slots(count, model.shape, CLASSES, torch.device("cpu"), model.memory_format)
        stepper = attack.stepper(slots)
        stepper.load(torch.arange(count), to_batch(jobs, device=torch.device("cpu")))
        for _ in range(10):
            evaluate(model, stepper)
        moved[where] = stepper.point().images.double() - images[:count]
    start = torch.atanh((2 * images[:count].double() - 1) * 0.999999)
    w = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([w], lr=1e-2, eps=1e-8)
    labels = torch.tensor([job.label for job in jobs])[:, None]
    for _ in range(10):
        x = (torch.tanh(w) + 1) / 2
        logits = network(x)
        others = logits.scatter(1, labels, -torch.inf).amax(1)
        gap = (logits.gather(1, labels).squeeze(1) - others).clamp(min=0)
        optimiser.zero_grad()
        (gap + (x - images[:count]).square().flatten(1).sum(1)).sum().backward()
        optimiser.step()
    expected = ((torch.tanh(w) + 1) / 2).detach() - images[:count]
    size = expected.flatten(1).norm(dim=1)
    assert ((moved["outside"] - expected).flatten(1).norm(dim=1) < 1e-2 * size).all()
    assert (moved["inside"].flatten(1).norm(dim=1) < 0.9 * size).all()


def test_outside_finds_what_foolbox_finds_where_gradients_are_small(images):
    foolbox = pytest.importorskip("foolbox")
    model = _flat_network()
    labels = model.predict(images[:24]).argmax(1)
    attack = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=9, steps=50, stepsize=1e-2, initial_const=1e-3, abort_early=False
    )
    peer = foolbox.PyTorchModel(model.differentiable, bounds=(0, 1), device="cpu")
    theirs = attack.run(peer, images[:24], foolbox.criteria.Misclassification(labels))
    theirs = (theirs - images[:24]).flatten(1).norm(dim=1)
    off = {}
    for where in ("inside", "outside"):
        settings = CW(iterations=50, learning_rate=1e-2, initial_const=1e-3, abort_early=False,
                      adam_epsilon=where)  # fmt: skip
        rows = attack_all(settings, model, jobs_for(model, images[:24], [None] * 24))
        off[where] = (torch.tensor([row.outcome.norms.l2 for row in rows]) / theirs - 1).abs()
    assert off["outside"].max() < 1e-3
    assert off["inside"].max() > 3e-3


def test_a_success_that_is_not_the_nearest_steers_const_and_is_not_the_result():
    """Successes by script: at the start of the first step, at the end of the second, then none."""
    attack = CW(iterations=4, search_steps=3, initial_const=0.8, learning_rate=0.1)
    slots = Slots(1, (3, 2, 2), 2, torch.device("cpu"), torch.contiguous_format)
    stepper = attack.stepper(slots)
    batch = Batch(
        images=torch.full((1, 3, 2, 2), 0.5),
        labels=torch.tensor([0]),
        classes=torch.tensor([0]),
        targeted=torch.tensor([False]),
        seeds=(0,),
    )
    stepper.load(torch.tensor([0]), batch)
    consts = []
    for number in range(12):
        consts.append(stepper.const.item())
        success = number in (1, 7)
        stepper.observe(torch.tensor([[0.0, 1.0]] if success else [[1.0, 0.0]]))
        stepper.step(torch.ones(1, 3, 2, 2))
        if number == 1:
            best = stepper.best.item()
    assert consts == [0.8] * 4 + [0.4] * 4 + [0.2] * 4
    assert stepper.finished.item()
    result = stepper.result(torch.tensor([0]))
    assert result.numbers["const"].item() == 0.8
    assert (result.images - 0.5).norm().item() == pytest.approx(best)
    assert 0 < best < 0.1 * math.sqrt(12)


def test_without_abort_every_iteration_is_one_forward_and_one_backward(model, images):
    attack = CW(iterations=12, search_steps=3, abort_early=False)
    for row in attack_all(attack, model, jobs_for(model, images[:9], [None] * 9), batch_size=4):
        assert row.outcome.passes == Passes(36, 36)
    aborting = CW(iterations=30, search_steps=3, learning_rate=0.05)
    rows = attack_all(aborting, model, jobs_for(model, images[:9], [None] * 9), batch_size=4)
    assert all(
        row.outcome.passes.forwards == row.outcome.passes.backwards
        and row.outcome.passes.forwards % 10 == 0
        for row in rows
    )
    assert sum(row.outcome.passes.forwards for row in rows) < 9 * 90


@pytest.mark.parametrize("warm_start", [False, True])
def test_batch_size_and_order_change_nothing(model, images, warm_start):
    jobs = jobs_for(model, images, targets(model, images))
    attack = CW(iterations=30, search_steps=3, learning_rate=2e-2, initial_const=0.5,
                warm_start=warm_start)  # fmt: skip
    reference = attack_all(attack, model, jobs, batch_size=64)
    assert len({row.outcome.passes.forwards for row in reference}) > 1
    for size in (1, 7):
        chosen = jobs if size == 7 else jobs[:5]
        run = attack_all(attack, model, chosen[::-1], batch_size=size)[::-1]
        assert [row.outcome.status for row in run] == [
            row.outcome.status for row in reference[: len(run)]
        ]
        close = [
            abs(row.outcome.norms.l2 - other.outcome.norms.l2) <= 1e-3 * other.outcome.norms.l2
            for row, other in zip(run, reference, strict=False)
        ]
        assert sum(close) >= 0.99 * len(close)


def test_images_loaded_in_mid_flight_fare_the_same(model, images):
    """Rows at different iterations and steps, idle rows and shrinking change no result."""
    jobs = jobs_for(model, images[:5], targets(model, images[:5]))
    attack = CW(iterations=25, search_steps=3, learning_rate=2e-2, initial_const=0.5)
    alone = [attack_all(attack, model, [job])[0] for job in jobs]
    slots = Slots(3, model.shape, CLASSES, torch.device("cpu"), model.memory_format)
    stepper = attack.stepper(slots)
    holding: list[int | None] = [None] * 3
    waiting, results = list(range(5)), {}
    for round_ in range(400):
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


def test_next_finish_is_exact_where_it_is_given(model, images):
    attack = CW(iterations=7, search_steps=2, abort_early=False)
    slots = Slots(2, model.shape, CLASSES, torch.device("cpu"), model.memory_format)
    stepper = attack.stepper(slots)
    assert stepper.next_finish() == 0
    job = jobs_for(model, images[:1], [None])[0]
    stepper.load(torch.tensor([1]), batch_of(job))
    for done in range(14):
        assert stepper.next_finish() == 14 - done
        assert not stepper.finished[1]
        evaluate(model, stepper)
    assert stepper.finished.all()
    assert CW(iterations=50).stepper(slots).next_finish() is None


@pytest.mark.parametrize("warm_start", [False, True])
def test_extreme_inputs_end_in_a_verdict(model, warm_start):
    """Saturated pixels, huge logits and a flat model: robust or broken, never NaN."""
    corners = torch.cat([torch.zeros(2, 3, *SIZE), torch.ones(2, 3, *SIZE)])
    weights, bias, _ = linear(3, CLASSES, 0.0, 1.0, 1.0, 4)
    loud = linear_model(weights * 1e6, bias * 1e6, size=SIZE)
    flat = linear_model(weights * 0, bias * 0, size=SIZE)
    attack = CW(iterations=20, search_steps=14, learning_rate=0.1, warm_start=warm_start)
    for network in (model, loud, flat):
        jobs = jobs_for(network, corners, [None] * 4)
        for row in attack_all(attack, network, jobs):
            assert row.outcome.status in (Status.ROBUST, Status.BROKEN)
            assert row.candidate.isfinite().all()
            assert math.isnan(row.outcome.numbers["const"]) == (row.outcome.status is Status.ROBUST)


@pytest.mark.parametrize(
    "wrong",
    [{"learning_rate": -1e-3}, {"learning_rate": 0}, {"iterations": 0}, {"search_steps": 0},
     {"kappa": -1}, {"initial_const": 0}, {"initial_const": float("inf")}, {"steps": 3},
     {"kappa": float("nan")}],
)  # fmt: skip
def test_bad_parameters_are_refused_by_name(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        CW(**wrong)


def test_presets_are_the_published_settings():
    paper = CW(**CW.presets["paper"])
    assert (paper.iterations, paper.search_steps, paper.initial_const) == (1000, 9, 0.01)
    assert paper.abort_early
    assert not paper.warm_start
    code = CW(**CW.presets["survey-code"])
    assert (code.learning_rate, code.warm_start) == (2e-3, True)
    carlini = CW(**CW.presets["carlini"])
    assert (carlini.learning_rate, carlini.iterations) == (1e-2, 10_000)
    assert (carlini.initial_const, carlini.warm_start) == (1e-3, False)
    assert carlini.adam_epsilon == "outside"
    fast = CW(**CW.presets["fast"], kappa=3)
    assert fast.search_steps * fast.iterations == 450
    assert (fast.warm_start, fast.confidence, fast.budget) == (True, 3, None)
    assert fast.adam_epsilon == "outside"
    assert {paper.adam_epsilon, code.adam_epsilon} == {"inside"}


def test_the_embedded_suites_keys_are_those_before_adams_epsilon_was_a_parameter():
    found = prepare(Request(suite="digits18-full", models=["digits-vgg16"]), load([]), installed())
    keys = {
        cell.goal: cell.key
        for cell in found.plan.cells
        if cell.attack and cell.attack.component.name == "cw"
    }
    assert keys == {
        Goal.UNTARGETED: "892eb19a3bc5d3cf3fbe02578f70c2f181084b23b0b392b7adedc6f895358da8",
        Goal.RANDOM: "b248f6aa1dc6233de7259eee338fe0f8bb4523c54aa27ca5a9207342c7c26a47",
    }
