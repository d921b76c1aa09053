"""FAB against closed forms, a plain implementation, and the authors' code; its passes and ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from norm_toy import CLASSES, SIZE, VALUES, linear, targets
from scipy.optimize import linprog

from harness.api import Batch, Passes, Slots, Status
from harness.engine.slots import evaluate
from harness.testing.fakes import attack_all, jobs_for, linear_model
from harness_attacks.boundary.fab import FABL1, FABL2, FABLinf
from harness_attacks.boundary.parameters import FINAL_STEPS

FABS = {"linf": FABLinf, "l2": FABL2, "l1": FABL1}
ORDER = {"linf": np.inf, "l2": 2, "l1": 1}


def step(norm: str, point, weights, value):
    """The step to the hyperplane in float64, by bisection on the multiplier."""
    up = -np.sign(value) * np.sign(weights)
    room, weight = np.where(up > 0, 1 - point, point), np.abs(weights)
    low, high = 0.0, 1e9

    def move(level):
        if norm == "l1":  # the heaviest pixels first; the last one in part
            return np.where(weight > 1 / level, room, 0)
        return np.minimum(level * (weight if norm == "l2" else weight > 0), room)

    for _ in range(300):
        middle = (low + high) / 2 if low > 0 and high / low < 4 else (max(low, 1e-12) * high) ** 0.5
        enough = weight @ move(middle) >= abs(value)
        low, high = (low, middle) if enough else (middle, high)
    sizes = move(low)
    if norm == "l1":
        last = (sizes == 0) & (move(high) > 0)
        sizes[last] = (abs(value) - weight @ sizes) / weight[last]
    return up * sizes


@pytest.mark.parametrize("variant", ["fab", "fab-t"])
@pytest.mark.parametrize("norm", FABS)
@pytest.mark.parametrize(("low", "high", "scale"), [(0.4, 0.6, 0.4), (0.0, 1.0, 3.0)])
def test_on_a_linear_model_the_nearest_class_is_found(norm, variant, low, high, scale):
    """Untargeted FAB reads from gradients which class is nearest: they know nothing of the box."""
    weights, bias, images = linear(4, CLASSES, low, high, scale, 12)
    model = linear_model(weights, bias, size=SIZE)
    attack = FABS[norm](variant=variant, iterations=12)
    slack = 1.005 if variant == "fab-t" or low > 0 else 1.03
    for row in attack_all(attack, model, jobs_for(model, images, [None] * len(images))):
        image, own = row.job.image.flatten().double().numpy(), row.job.label
        best = np.inf
        for other in set(range(CLASSES)) - {own}:
            normal = (weights[other] - weights[own]).double().numpy()
            value = normal @ image + float(bias[other] - bias[own])
            move = step(norm, image, normal, value)
            if normal @ move + value > -1e-6:
                best = min(best, np.linalg.norm(move, ORDER[norm]))
        assert row.outcome.status is Status.BROKEN
        found = getattr(row.outcome.norms, norm)
        assert best * (1 - 1e-5) - 1e-6 <= found <= best * slack


@pytest.mark.parametrize("variant", ["fab", "fab-t"])
def test_a_target_is_reached_near_the_linear_programmes_optimum(variant):
    weights, bias, images = linear(4, CLASSES, 0.2, 0.8, 0.4, 8)
    model = linear_model(weights, bias, size=SIZE)
    labels = model.predict(images).argmax(1).tolist()
    wanted = [(label + 1 + row % 4) % CLASSES for row, label in enumerate(labels)]
    attack = FABLinf(variant=variant, iterations=40)
    for row in attack_all(attack, model, jobs_for(model, images, wanted)):
        assert row.outcome.status is Status.BROKEN
        image, target = row.job.image.flatten().double().numpy(), row.job.target
        lead = (weights - weights[target]).double().numpy()
        slack = -lead @ image - (bias - bias[target]).double().numpy()
        eye, ones = np.eye(VALUES), np.ones((VALUES, 1))
        limits = np.vstack([np.hstack([lead, np.zeros((CLASSES, 1))]), np.hstack([eye, -ones]),
                            np.hstack([-eye, -ones])])  # fmt: skip
        bounds = [(-value, 1 - value) for value in image] + [(0, 1)]
        cost = np.append(np.zeros(VALUES), 1)
        best = linprog(cost, limits, np.append(slack, np.zeros(2 * VALUES)), bounds=bounds).fun
        assert best - 1e-5 <= row.outcome.norms.linf <= 1.3 * best
        assert row.outcome.passes == Passes(41 + FINAL_STEPS, 40)


def plain(norm: str, model, image, own: int, iterations: int) -> float:
    """Algorithm 1 for one image in float64, and eq. 12: the smallest distance."""
    original = image.flatten().double().numpy()
    point, best, best_lead, found = original, np.inf, 0.0, original

    def seen(point):
        pixels = torch.tensor(point, dtype=torch.float32).view(1, 3, *SIZE).requires_grad_(True)
        return pixels, model.forward(pixels)[0]

    def lead(logits):
        return (max(logits[k] for k in range(CLASSES) if k != own) - logits[own]).item()

    first = lead(seen(original)[1])
    for round_ in range(iterations + 1):
        pixels, logits = seen(point)
        ahead, distance = lead(logits), np.linalg.norm(point - original, ORDER[norm])
        if ahead > 0 and distance < best:
            best, found, best_lead = distance, point, ahead
        if round_ == iterations:
            break
        planes = []
        for other in set(range(CLASSES)) - {own}:
            difference = logits[other] - logits[own]
            (slope,) = torch.autograd.grad(difference, pixels, retain_graph=True)
            slope = slope.flatten().double().numpy()
            dual = np.linalg.norm(slope, {"linf": 1, "l2": 2, "l1": np.inf}[norm])
            planes.append((abs(difference.item()) / dual, difference.item(), slope))
        _, value, slope = min(planes, key=lambda plane: plane[0])
        start = original + 0.9 * (point - original) if ahead > 0 else point
        move = step(norm, start, slope, value + slope @ (start - point))
        clean = step(norm, original, slope, value + slope @ (original - point))
        far, clean_far = (np.linalg.norm(each, ORDER[norm]) for each in (move, clean))
        pull = min(far / (far + clean_far), 0.1)
        point = (1 - pull) * (start + 1.05 * move) + pull * (original + 1.05 * clean)
        point = point.clip(0, 1)
    low, low_lead = 0.0, first
    for _ in range(3):
        share = low + (1 - low) * -low_lead / (best_lead - low_lead)
        share += 0.02 * (1 - share)
        point = original + share * (found - original)
        ahead = lead(seen(point)[1])
        if ahead > 0:
            found, best_lead, low = point, ahead, low / share
        else:
            low, low_lead = share, ahead
    return min(best, np.linalg.norm(found - original, ORDER[norm]))


@pytest.mark.parametrize("norm", FABS)
def test_a_plain_implementation_ends_at_the_same_distances(norm, model, images):
    jobs = jobs_for(model, images[:6], [None] * 6)
    for row in attack_all(FABS[norm](iterations=6), model, jobs):
        expected = plain(norm, model, row.job.image, row.job.label, 6)
        assert getattr(row.outcome.norms, norm) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "options",
    [{}, {"variant": "fab-t", "restarts": 2}, {"variant": "fab-t", "epsilon": 0.05}],
    ids=["fab", "restarts", "epsilon"],
)
def test_batch_mates_and_refill_change_nothing(options, model, images):
    jobs = jobs_for(model, images[:10], targets(model, images[:10]))
    attack = FABLinf(iterations=4, **options)
    expected = attack_all(attack, model, jobs, batch_size=64)
    for size in (1, 7):
        for one, other in zip(
            expected, attack_all(attack, model, jobs, batch_size=size), strict=True
        ):
            assert one.outcome.status is other.outcome.status
            assert one.outcome.passes == other.outcome.passes
            torch.testing.assert_close(one.candidate, other.candidate, rtol=0, atol=1e-5)


def test_passes_are_what_the_schedule_says(model, images):
    jobs = jobs_for(model, images[:6], targets(model, images[:6]))
    others = CLASSES - 1
    for row in attack_all(FABL2(iterations=4, restarts=2), model, jobs, batch_size=4):
        gradients = 1 if row.job.target is not None else others
        assert row.outcome.passes == Passes(2 * 5 + FINAL_STEPS, 2 * 4 * gradients)
    for row in attack_all(FABL2(iterations=4, variant="fab-t", classes=3), model, jobs):
        runs, look = (1, 0) if row.job.target is not None else (3, 1)
        assert row.outcome.passes == Passes(5 * runs + FINAL_STEPS + look, 4 * runs + others * look)


def test_a_budget_ends_images_early_and_is_kept(model, images):
    jobs = jobs_for(model, images[:20], [None] * 20)
    free = attack_all(FABLinf(iterations=6, variant="fab-t"), model, jobs)
    distances = torch.tensor([row.outcome.norms.linf for row in free])
    budget = float(distances.median()) * 1.02
    bound = attack_all(FABLinf(iterations=6, variant="fab-t", epsilon=budget), model, jobs)
    for row, distance in zip(bound, distances.tolist(), strict=True):
        assert row.outcome.norms.linf <= budget * (1 + 1e-6)
        assert row.outcome.status is (Status.BROKEN if distance <= budget else Status.ROBUST)
    most = free[0].outcome.passes
    assert sum(row.outcome.passes.forwards for row in bound) < 0.7 * 20 * most.forwards


@pytest.mark.parametrize("norm", FABS)
def test_restarts_start_at_random_half_way_to_the_best(norm, model, images):
    count, draws = 6, []
    labels = model.predict(images[:count]).argmax(1)
    free = torch.zeros(count, dtype=torch.bool)
    batch = Batch(images[:count], labels, labels, free, seeds=tuple(range(count)))
    attack = FABS[norm](iterations=2, restarts=3, variant="fab-t", classes=2)
    slots = Slots(count, (3, *SIZE), CLASSES, torch.device("cpu"), torch.contiguous_format)
    stepper = attack.stepper(slots)
    stepper.load(torch.arange(count), batch)
    evaluate(stepper, model, stepper.point())  # which orders the classes
    for round_ in range(3 * 2 * 3):
        moved = (stepper.point().images - images[:count]).flatten(1)
        sizes = torch.linalg.vector_norm(moved, ORDER[norm], dim=1)
        if round_ in (0, 3):
            assert not moved.any()
        elif round_ % 3 == 0:  # clipped to the box
            assert (sizes > 0.05 * stepper.best).all()
            assert (sizes <= 0.5001 * stepper.best).all()
            draws.append(moved.sign())
        evaluate(stepper, model, stepper.point())
    assert torch.equal(draws[0], draws[1])  # another class, the same restart
    assert not torch.equal(draws[1], draws[2])


@pytest.mark.parametrize("norm", FABS)
def test_the_authors_code_finds_nothing_nearer(norm, model, images):
    original = pytest.importorskip("pyautoattack.fab_pt", reason="needs the extra `adapters`")
    jobs = jobs_for(model, images[:16], [None] * 16)
    found = attack_all(FABS[norm](iterations=10, variant="fab-t"), model, jobs)
    ours = np.array([getattr(row.outcome.norms, norm) for row in found])
    attack = original.FABAttack_PT(
        model.forward, norm=norm.capitalize(), n_iter=10, eps=1e9, targeted=True, device="cpu",
        n_target_classes=CLASSES - 1,
    )  # fmt: skip
    nearest = np.full(16, np.inf)
    labels = torch.tensor([job.label for job in jobs])
    for target in range(2, CLASSES + 1):  # `perturb` leaves an image after its first target
        attack.target_class = target
        theirs = attack.attack_single_run(images[:16], labels, is_targeted=True)
        moved = (theirs - images[:16]).flatten(1).numpy()
        nearest = np.minimum(nearest, np.linalg.norm(moved, ORDER[norm], axis=1))
    assert ours.mean() <= 1.005 * nearest.mean()
