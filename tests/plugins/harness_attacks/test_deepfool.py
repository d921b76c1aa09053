"""DeepFool against closed forms, a plain implementation and foolbox's; its passes and ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from norm_toy import CLASSES, SIZE, linear, targets

from harness.api import Passes, Status
from harness.testing.fakes import attack_all, jobs_for, linear_model
from harness_attacks.boundary.deepfool import DeepFool, DeepFoolLinf

FOOLS = {"l2": DeepFool, "linf": DeepFoolLinf}
ORDER = {"l2": 2, "linf": np.inf}
DUAL = {"l2": 2, "linf": 1}


@pytest.mark.parametrize("norm", FOOLS)
@pytest.mark.parametrize("search", [0, 4])
def test_on_a_linear_model_one_step_is_enough(norm, search):
    weights, bias, images = linear(4, CLASSES, 0.4, 0.6, 0.4, 12)
    model = linear_model(weights, bias, size=SIZE)
    attack = FOOLS[norm](final_search=search)
    for row in attack_all(attack, model, jobs_for(model, images, [None] * 12), batch_size=5):
        image, own = row.job.image.flatten(), row.job.label
        gaps = (weights - weights[own]) @ image + bias - bias[own]
        normals = (weights - weights[own]).norm(DUAL[norm], dim=1)
        others = torch.arange(CLASSES) != own
        nearest = float((gaps.abs() / normals)[others].min())
        assert row.outcome.status is Status.BROKEN
        found, longest = getattr(row.outcome.norms, norm), 1.02 * (nearest + 1e-4)
        if search:
            assert nearest * (1 - 1e-5) <= found <= nearest * (1 + 2e-4) + 1e-5
        else:
            assert found == pytest.approx(longest, rel=1e-4)
        # At the image, with all gradients, and where it succeeds, with one.
        assert row.outcome.passes == Passes(2 + search, CLASSES - 1 + 1)


def plain(norm: str, model, job, iterations: int):
    """Algorithm 2 for one image in float64, its clipped sum of steps, and the steps it takes."""
    original = job.image.flatten().double().numpy()
    point, moved = original, 0.0
    for steps in range(iterations + 1):
        pixels = torch.tensor(point, dtype=torch.float32).view(1, 3, *SIZE).requires_grad_(True)
        logits = model.forward(pixels)[0]
        order = logits.argsort(descending=True).tolist()
        reached = order[0] != job.label if job.target is None else order[0] == job.target
        if reached or steps == iterations:
            return point, steps
        pairs = [(other, job.label) for other in order if other != job.label]
        if job.target is not None:
            pairs = [(job.target, order[0])]
        planes = []
        for ahead, behind in pairs:
            difference = logits[ahead] - logits[behind]
            (slope,) = torch.autograd.grad(difference, pixels, retain_graph=True)
            slope = slope.flatten().double().numpy()
            planes.append((abs(difference.item()) / np.linalg.norm(slope, DUAL[norm]), slope))
        distance, slope = min(planes, key=lambda plane: plane[0])
        way = slope / np.linalg.norm(slope) if norm == "l2" else np.sign(slope)
        moved = moved + (distance + 1e-4) * way
        point = (original + 1.02 * moved).clip(0, 1)
    raise AssertionError


@pytest.mark.parametrize("norm", FOOLS)
def test_a_plain_implementation_goes_the_same_way(norm, model, images):
    jobs = jobs_for(model, images[:12], targets(model, images[:12]))
    statuses = set()
    for row in attack_all(FOOLS[norm](iterations=3), model, jobs, batch_size=5):
        expected, steps = plain(norm, model, row.job, 3)
        found = row.candidate.flatten().numpy()
        np.testing.assert_allclose(found, expected, atol=2e-5)
        asked = min(steps + 1, 3)
        further = steps * (CLASSES - 2) if row.job.target is None else 0
        assert row.outcome.passes == Passes(steps + 1, asked + further)
        statuses.add(row.outcome.status)
    assert statuses == {Status.BROKEN, Status.ROBUST}


@pytest.mark.parametrize("options", [{}, {"final_search": 3}], ids=["plain", "search"])
def test_batch_mates_and_refill_change_nothing(options, model, images):
    jobs = jobs_for(model, images[:12], targets(model, images[:12]))
    attack = DeepFool(iterations=6, **options)
    expected = attack_all(attack, model, jobs, batch_size=64)
    for size in (1, 7):
        for one, other in zip(
            expected, attack_all(attack, model, jobs, batch_size=size), strict=True
        ):
            assert one.outcome.status is other.outcome.status
            assert one.outcome.passes == other.outcome.passes
            torch.testing.assert_close(one.candidate, other.candidate, rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", FOOLS)
def test_the_search_ends_nearer_and_fewer_classes_cost_less(norm, model, images):
    jobs = jobs_for(model, images[:12], [None] * 12)
    runs = [
        attack_all(FOOLS[norm](**options), model, jobs)
        for options in ({}, {"final_search": 3}, {"classes": 2})
    ]
    closer = 0
    for row, nearer, cheaper in zip(*runs, strict=True):
        assert row.outcome.status is nearer.outcome.status is Status.BROKEN
        distance, searched = (getattr(each.outcome.norms, norm) for each in (row, nearer))
        assert searched <= distance
        closer += searched < 0.9999 * distance
        assert nearer.outcome.passes.forwards == row.outcome.passes.forwards + 3
        assert cheaper.outcome.passes.backwards <= 2 * cheaper.outcome.passes.forwards - 1
    assert closer >= 4


@pytest.mark.parametrize("norm", FOOLS)
def test_foolbox_ends_at_the_same_distances(norm, model, images):
    foolbox = pytest.importorskip("foolbox", reason="needs the extra `adapters`")
    jobs = jobs_for(model, images[:16], [None] * 16)
    ours = attack_all(FOOLS[norm](), model, jobs)
    name = {"l2": "L2DeepFoolAttack", "linf": "LinfDeepFoolAttack"}[norm]
    wrapped = foolbox.PyTorchModel(model.differentiable, bounds=(0, 1), device="cpu")
    labels = torch.tensor([job.label for job in jobs])
    theirs = getattr(foolbox.attacks, name)().run(wrapped, images[:16], labels)
    for row, other in zip(ours, theirs, strict=True):
        distance = np.linalg.norm((other - row.job.image).flatten().numpy(), ORDER[norm])
        assert getattr(row.outcome.norms, norm) == pytest.approx(distance, rel=2e-3)
