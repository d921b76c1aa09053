"""FMN, DDN and sigma-zero: closed forms, brute force, adv-lib, plain loops, batch mates."""

from __future__ import annotations

import importlib.util
import math
import sys
import types

import norm_toy
import numpy as np
import pytest
import torch
from nearest_toy import nearest
from pydantic import ValidationError
from scipy.optimize import minimize

from harness.api import Passes, Slots, Status
from harness.testing.fakes import attack_all, jobs_for, linear_model, plane_model
from harness_attacks.nearest.ddn import DDN
from harness_attacks.nearest.fmn import FMNL0, FMNL1, FMNL2, PAPER, FMNLinf
from harness_attacks.nearest.sigma_zero import SigmaZero

ORDERS = {"l0": 0, "l1": 1, "l2": 2, "linf": math.inf}
FMN = {"l0": FMNL0, "l1": FMNL1, "l2": FMNL2, "linf": FMNLinf}
SHORT = [*(kind(steps=12) for kind in FMN.values()), DDN(steps=12), SigmaZero(steps=12)]


def _distances(rows, norm):
    return np.array([getattr(row.outcome.norms, norm) for row in rows])


# How far above the closed form the mean and the worst image may end.
LIMITS = [
    (FMNLinf(steps=100), 1.005, 1.02),
    (FMNL2(steps=100), 1.005, 1.02),
    (DDN(steps=200), 1.005, 1.02),
    (FMNL1(steps=200), 1.03, 1.15),
    (FMNL0(steps=200), 1.2, 2.0),
    (SigmaZero(steps=200), 1.2, 2.0),
]


@pytest.mark.parametrize(("low", "high", "scale"), [(0.4, 0.6, 2.0), (0.0, 1.0, 4.0)])
@pytest.mark.parametrize(("attack", "mean", "worst"), LIMITS, ids=lambda each: type(each).__name__)
def test_two_classes_end_at_the_closed_form(attack, mean, worst, low, high, scale):
    """With pixels from 0 to 1 the box bends the boundary's nearest point."""
    weights, bias, images = norm_toy.linear(1, 2, low, high, scale, 16)
    model = linear_model(weights, bias, size=norm_toy.SIZE)
    labels = model.predict(images).argmax(1).tolist()
    jobs = jobs_for(
        model, images, [1 - label if row % 2 else None for row, label in enumerate(labels)]
    )
    ratios = []
    for row in attack_all(attack, model, jobs):
        own, other = row.job.label, 1 - row.job.label
        image = row.job.image.flatten().double().numpy()
        slope = (weights[other] - weights[own]).double().numpy()
        margin = float((bias[own] - bias[other]).double() - slope @ image)
        exact = nearest(attack.norm, slope, margin, image)
        if not math.isfinite(exact):
            assert row.outcome.status is Status.ROBUST
            continue
        assert row.outcome.status is Status.BROKEN
        ratios.append(getattr(row.outcome.norms, attack.norm) / exact)
    assert len(ratios) >= 12
    assert min(ratios) >= 1 - 1e-4
    assert np.mean(ratios) <= mean
    assert max(ratios) <= worst


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_the_closed_forms_are_what_scipy_finds(norm):
    generator = np.random.default_rng(3)
    for _ in range(4):
        slope, image = generator.normal(size=4), generator.uniform(size=4)
        margin = 0.6 * float(np.abs(slope) @ np.where(slope > 0, 1 - image, image))
        # d = p - q with p, q >= 0: the l1 norm is smooth.
        bounds = [*((0, 1 - each) for each in image), *((0, each) for each in image)]
        size = (lambda both: both.sum()) if norm == "l1" else (lambda both: (both**2).sum())
        found = minimize(
            size,
            np.full(8, 0.1),
            bounds=bounds,
            constraints={
                "type": "ineq",
                "fun": lambda both, slope=slope, margin=margin: (
                    slope @ (both[:4] - both[4:]) - margin
                ),
            },
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 300},
        ).fun
        exact = nearest(norm, slope, margin, image)
        assert (found if norm == "l1" else math.sqrt(found)) == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_a_curved_boundary_in_two_dimensions(norm):
    """Against a grid: class 0 is the inside of a wavy circle around (0.45, 0.5)."""

    def function(plane):
        x, y = plane[:, 0] - 0.45, plane[:, 1] - 0.5
        angle = torch.atan2(y, x)
        return 0.3 + 0.04 * torch.cos(3 * angle) - torch.sqrt(x**2 + y**2 + 1e-9)

    model = plane_model(function)
    axis = torch.linspace(0, 1, 501)
    grid = torch.cartesian_prod(axis, axis)
    outside = grid[function(grid) < 0]
    images = 0.35 + 0.3 * torch.rand(8, 3, 1, 1, generator=torch.Generator().manual_seed(2))
    ratios = []
    for row in attack_all(FMN[norm](steps=150), model, jobs_for(model, images, [None] * 8)):
        assert row.outcome.status is Status.BROKEN
        delta = outside - row.job.image.flatten()[:2]
        best = float(torch.linalg.vector_norm(delta, ORDERS[norm], dim=1).min())
        ratios.append(getattr(row.outcome.norms, norm) / best)
    assert min(ratios) >= 0.98  # the grid's
    assert np.median(ratios) <= 1.01
    assert max(ratios) <= 1.6  # another lobe may be nearer


@pytest.fixture(scope="module")
def adv_lib():
    pytest.importorskip("adv_lib")
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("visdom") is None:  # it imports it for plots alone
            patch.setitem(sys.modules, "visdom", types.ModuleType("visdom"))
        import adv_lib.attacks

        yield adv_lib.attacks


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("case", [*FMN, "ddn", "sigma-zero"])
def test_the_papers_algorithms_are_adv_libs(adv_lib, model, images, case, targeted):
    """30 evaluations; of chaotic iterates a few may part, as they do between batch sizes."""
    if case == "sigma-zero" and targeted:
        pytest.skip("adv-lib's sigma-zero has no targets")
    labels = model.predict(images).argmax(1)
    classes = (labels + 1) % norm_toy.CLASSES if targeted else labels
    peer = (model.differentiable, images, classes)
    if case == "ddn":
        attack = DDN(steps=30, levels=256)
        theirs = adv_lib.ddn(*peer, targeted=targeted, steps=30)
    elif case == "sigma-zero":
        attack, theirs = SigmaZero(steps=30), adv_lib.sigma_zero(*peer, num_steps=30)
    else:
        attack = FMN[case](steps=30, **PAPER)
        theirs = adv_lib.fmn(*peer, norm=ORDERS[case], targeted=targeted, steps=30)
    found = attack_all(
        attack,
        model,
        jobs_for(model, images, classes.tolist() if targeted else [None] * len(images)),
    )
    delta = (theirs - images).flatten(1)
    reached = (model.predict(theirs).argmax(1) == classes) == targeted
    broken = torch.tensor([row.outcome.status is Status.BROKEN for row in found])
    assert (broken != reached).sum() <= 1
    both = broken & reached
    assert both.sum() >= 20
    ours = torch.tensor(_distances(found, attack.norm), dtype=torch.float32)[both]
    peers = torch.linalg.vector_norm(delta, ORDERS[attack.norm], dim=1)[both]
    assert float(ours.mean()) == pytest.approx(float(peers.mean()), rel=5e-3)
    assert ((ours - peers).abs() <= 1e-3 * peers + 1e-6).float().mean() >= 0.9


def _cosine(first, last, step, steps):
    return last + (first - last) * (1 + math.cos(math.pi * step / steps)) / 2


def _plain_linf(model, job, attack):
    """`FMNLinf` as its fields say, one image, with autograd for the loss."""
    image, past = job.image.double(), torch.zeros_like(job.image)
    targeted = job.target is not None
    own = job.target if targeted else job.label
    point, epsilon, best, kept = job.image.clone(), 0.0, math.inf, None
    for step in range(attack.steps):
        here = point[None].detach().requires_grad_(True)
        logits = model.forward(here)[0]
        others = torch.cat((logits[:own], logits[own + 1 :]))
        lead = (others.max() - logits[own]).detach() * (-1 if targeted else 1)
        heat = attack.softness * lead.abs().detach()
        soft = heat * (others / heat).logsumexp(0) - logits[own]
        loss = logits[own] - others.max() if targeted else soft
        (gradient,) = torch.autograd.grad(loss, here)
        distance = float((point - job.image).abs().max())
        if lead > 0 and distance < best:
            best, kept = distance, point.clone()
        gamma = _cosine(attack.gamma, attack.final_gamma, step, attack.steps)
        gap = float(lead.abs() / gradient.abs().sum())
        leap = _cosine(attack.leap, 0, step, attack.steps)
        if lead > 0:
            back = max(distance - gap, epsilon * (1 - leap))
            epsilon = min(epsilon * (1 - gamma), back, best)
        elif best < math.inf:
            epsilon *= 1 + gamma
        else:
            epsilon = max(distance + gap, epsilon * (1 + gamma))
        epsilon = min(epsilon, float(torch.maximum(image, 1 - image).max()))
        past = attack.momentum * past + gradient[0] / gradient.abs().sum()
        size = attack.step_size * _cosine(1, attack.final_step, step, attack.steps) * epsilon
        delta = (point - job.image + size * past.sign()).clamp(-epsilon, epsilon)
        point = (job.image + delta).clamp(0, 1)
    return best, kept


def test_linf_is_a_plain_loop(model, images):
    attack = FMNLinf(steps=15)
    jobs = jobs_for(model, images[:20], norm_toy.targets(model, images[:20]))
    close = 0
    for row in attack_all(attack, model, jobs):
        best, kept = _plain_linf(model, row.job, attack)
        assert (row.outcome.status is Status.BROKEN) == (kept is not None)
        if kept is not None:
            close += row.outcome.norms.linf == pytest.approx(best, rel=1e-4)
    assert close >= 18


@pytest.mark.parametrize("kind", [FMNL1, FMNL2, FMNLinf])
def test_defaults_end_nearer_than_the_paper(model, images, kind):
    jobs = jobs_for(model, images, norm_toy.targets(model, images))
    ours, paper = (attack_all(kind(steps=40, **each), model, jobs) for each in ({}, PAPER))
    broken = [[row.outcome.status is Status.BROKEN for row in rows] for rows in (ours, paper)]
    assert sum(broken[0]) >= sum(broken[1])
    both = np.logical_and(*broken)
    norm = kind.norm
    assert _distances(ours, norm)[both].mean() <= _distances(paper, norm)[both].mean()


@pytest.mark.parametrize("attack", SHORT, ids=repr)
def test_batch_size_and_refill_change_nothing(model, images, attack):
    jobs = jobs_for(model, images[:30], norm_toy.targets(model, images[:30]))
    reference = attack_all(attack, model, jobs, batch_size=64)
    assert all(row.outcome.passes == Passes(12, 11) == attack.passes for row in reference)
    for size in (1, 7):
        run = attack_all(attack, model, jobs, batch_size=size)
        assert [row.outcome.status for row in run] == [row.outcome.status for row in reference]
        away = np.abs(_distances(run, attack.norm) - _distances(reference, attack.norm))
        assert (away <= 1e-3 * _distances(reference, attack.norm)).mean() >= 0.9


@pytest.mark.parametrize("attack", SHORT, ids=repr)
def test_rows_in_mid_flight_fare_the_same(model, images, attack):
    """An image that is loaded while its neighbour is at its fifth step, and one that is stopped."""
    jobs = jobs_for(model, images[:3], norm_toy.targets(model, images[:3]))
    alone = attack_all(attack, model, jobs, batch_size=1)
    slots = Slots(2, model.shape, norm_toy.CLASSES, torch.device("cpu"), model.memory_format)
    stepper = attack.stepper(slots)
    stepper.load(torch.tensor([0]), norm_toy.batch_of(jobs[0]))
    for number in range(17):
        if number == 5:
            stepper.load(torch.tensor([1]), norm_toy.batch_of(jobs[2]))
        norm_toy.evaluate(model, stepper)
        if number == 8:  # the third image is stopped, the second one takes its place
            before = stepper.result(torch.tensor([1])).images
            assert torch.equal(before, stepper.result(torch.tensor([1])).images)
            stepper.load(torch.tensor([1]), norm_toy.batch_of(jobs[1]))
        if number == 11:
            assert stepper.finished.tolist() == [True, False]
            first = stepper.result(torch.tensor([0])).images.clone()
    stepper.keep(torch.tensor([1, 0]))
    while not stepper.finished.all():
        norm_toy.evaluate(model, stepper)
    found = stepper.result(torch.tensor([1, 0])).images
    assert torch.equal(found[0], first[0])
    for image, row in zip(found, alone[:2], strict=True):
        assert float((image - row.candidate).abs().max()) <= 1e-4


def test_saturated_pixels_and_flat_models_end_in_a_verdict():
    corners = torch.cat([torch.zeros(2, 3, *norm_toy.SIZE), torch.ones(2, 3, *norm_toy.SIZE)])
    generator = torch.Generator().manual_seed(1)
    for scale in (0.0, 1e6):
        weights = scale * torch.randn(norm_toy.CLASSES, norm_toy.VALUES, generator=generator)
        network = linear_model(weights, torch.arange(norm_toy.CLASSES), size=norm_toy.SIZE)
        for attack in SHORT:
            for row in attack_all(attack, network, jobs_for(network, corners, [None] * 4)):
                assert row.outcome.status in (Status.ROBUST, Status.BROKEN)
                assert row.candidate.isfinite().all()


def test_levels_are_kept(model, images):
    jobs = jobs_for(model, images[:6], [None] * 6)
    for row in attack_all(DDN(steps=20, levels=16), model, jobs):
        moved = row.candidate[row.candidate != row.job.image] * 15
        assert (moved - moved.round()).abs().max() <= 1e-4


@pytest.mark.parametrize("kind", [*FMN.values(), DDN, SigmaZero])
def test_bad_parameters_are_refused_by_name(kind):
    for wrong in ({"steps": 0}, {"step_size": 0}, {"final_step": 2}, {"unknown": 1}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            kind(**wrong)
