"""FGSM and I-FGSM against foolbox, an independent loop, and their own batch mates."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from harness.api import Batch, Slots, Status
from harness.testing.fakes import attack_all, jobs_for, pixel_model
from harness_attacks.losses import LOSSES
from harness_attacks.sign.fgsm import FGSM, IFGSM

SIZE, CLASSES = (8, 8), 5


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    network = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        nn.BatchNorm2d(12),
        nn.SiLU(),
        nn.Conv2d(12, 12, 3, stride=2),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(12 * 9, CLASSES),
    )
    network[1].running_mean.normal_()
    network[1].running_var.uniform_(0.5, 2)
    return pixel_model(network, classes=CLASSES, size=SIZE)


@pytest.fixture(scope="module")
def images():
    return torch.rand(40, 3, *SIZE, generator=torch.Generator().manual_seed(4))


def _targets(model, images):
    labels = model.predict(images).argmax(1).tolist()
    return [
        (label + 1 + row % (CLASSES - 1)) % CLASSES if row % 2 else None
        for row, label in enumerate(labels)
    ]


@pytest.mark.parametrize("targeted", [False, True])
def test_fgsm_equals_foolbox(model, images, targeted):
    foolbox = pytest.importorskip("foolbox")
    labels = model.predict(images).argmax(1).tolist()
    targets = [(label + 1) % CLASSES if targeted else None for label in labels]
    jobs = jobs_for(model, images, targets)
    ours = torch.stack([row.candidate for row in attack_all(FGSM(epsilon=0.1), model, jobs)])
    labels = torch.tensor([job.label for job in jobs])
    peer = foolbox.PyTorchModel(model.differentiable, bounds=(0, 1), device="cpu")
    criterion = foolbox.criteria.Misclassification(labels)
    if targeted:
        criterion = foolbox.criteria.TargetedMisclassification(torch.tensor(targets))
    attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    if targeted:  # foolbox's FGSM is untargeted; one full step of its iterative attack is the same
        attack = foolbox.attacks.LinfBasicIterativeAttack(
            rel_stepsize=1.0, steps=1, random_start=False
        )
    _, theirs, _ = attack(peer, images, criterion, epsilons=0.1)
    point = images.clone().requires_grad_(True)
    classes = torch.tensor(targets) if targeted else labels
    loss = nn.functional.cross_entropy(model.forward(point), classes, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, point)
    size = gradient.abs().flatten(1)
    clear = (size > 1e-6 * size.amax(1, keepdim=True)).view_as(images)
    assert clear.float().mean() > 0.99
    assert (ours - theirs)[clear].abs().max() <= 1e-6


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize(("epsilon", "share"), [(0.01, None), (0.3, None), (0.1, 0.45)])
def test_ifgsm_equals_a_plain_loop(model, images, loss, epsilon, share):
    steps, targets = 6, _targets(model, images)
    jobs = jobs_for(model, images, targets)
    attack = IFGSM(epsilon=epsilon, steps=steps, loss=loss, relative_step=share)
    for row in attack_all(attack, model, jobs, batch_size=16):
        expected = _plain(model, row.job, epsilon, steps, loss, epsilon * (share or 1 / steps))
        assert (row.candidate - expected).abs().max() <= 1e-6 or (
            ((row.candidate - expected).abs() > 1e-6).float().mean() < 0.02
        )
        reached = model.predict(expected[None]).argmax(1).item()
        success = (
            reached == row.job.target if row.job.target is not None else (reached != row.job.label)
        )
        assert (row.outcome.status is Status.BROKEN) == success


def _plain(model, job, epsilon, steps, loss, size):
    """Su et al. 2018, section 3.1: T steps of eps/T, clipped to ball and range each time."""
    point = job.image[None].clone()
    for _ in range(steps):
        point = point.detach().requires_grad_(True)
        logits = model.forward(point)
        targeted = job.target is not None
        own = torch.tensor([job.target if targeted else job.label])
        if loss == "cross-entropy":
            value = nn.functional.cross_entropy(logits, own) * (-1 if targeted else 1)
        else:
            value = logits[0, own[0]] * (1 if targeted else -1)
        (gradient,) = torch.autograd.grad(value, point)
        moved = point.detach() + size * gradient.sign()
        moved = torch.minimum(torch.maximum(moved, job.image - epsilon), job.image + epsilon)
        point = moved.clamp(0, 1)
    return point[0]


def test_cross_entropy_direction_is_the_gradient_and_never_underflows():
    logits = torch.randn(20, 7, dtype=torch.float64, requires_grad=True)
    classes, targeted = torch.arange(20) % 7, torch.arange(20) % 2 == 0
    value = nn.functional.cross_entropy(logits, classes, reduction="none")
    (gradient,) = torch.autograd.grad((value * (1 - 2 * targeted.double())).sum(), logits)
    ours = LOSSES["cross-entropy"](logits.detach(), classes, targeted)
    similarity = nn.functional.cosine_similarity(ours, gradient, dim=1)
    assert similarity.min() > 1 - 1e-12
    confident = torch.tensor([[1e6, 0.0, -5.0]])
    direction = LOSSES["cross-entropy"](confident, torch.tensor([0]), torch.tensor([False]))
    assert direction.isfinite().all()
    assert direction[0, 0] == -1
    assert direction[0, 1] > 0.9


def test_batch_size_and_order_change_nothing(model, images):
    jobs = jobs_for(model, images, _targets(model, images))
    attack = IFGSM(steps=5)
    reference = attack_all(attack, model, jobs, batch_size=64)
    shuffled = [jobs[index] for index in torch.randperm(len(jobs)).tolist()]
    runs = [attack_all(attack, model, jobs, batch_size=size) for size in (1, 7)]
    again = {row.job.image_id: row for row in attack_all(attack, model, shuffled, batch_size=7)}
    runs.append([again[job.image_id] for job in jobs])
    for run in runs:
        assert [row.outcome.status for row in run] == [row.outcome.status for row in reference]
        close = [
            abs(row.outcome.norms.linf - other.outcome.norms.linf)
            <= 1e-4 * other.outcome.norms.linf
            for row, other in zip(run, reference, strict=True)
        ]
        assert sum(close) >= 0.99 * len(close)


def test_images_loaded_in_mid_flight_fare_the_same(model, images):
    """Rows at different steps and attempts, idle rows and shrinking change no result."""
    jobs = jobs_for(model, images[:6], _targets(model, images[:6]))
    expected = attack_all(IFGSM(steps=3, attempts=4), model, jobs)
    slots = Slots(3, model.shape, CLASSES, torch.device("cpu"), model.memory_format)
    stepper = IFGSM(steps=3, attempts=4).stepper(slots)
    results = {}
    holding: list[int | None] = [None] * 3
    waiting = list(range(6))

    def load(row: int) -> None:
        index = waiting.pop(0)
        job = jobs[index]
        holding[row] = index
        batch = Batch(
            images=job.image[None],
            labels=torch.tensor([job.label]),
            classes=torch.tensor([job.label if job.target is None else job.target]),
            targeted=torch.tensor([job.target is not None]),
            seeds=(0,),
        )
        stepper.load(torch.tensor([row]), batch)

    for step in range(200):
        if step in (0, 2, 5):
            load((0, 2, 5).index(step))
        point = stepper.point()
        images_ = point.images.detach().requires_grad_(True)
        logits = model.forward(images_)
        cotangent = stepper.observe(logits.detach())
        if point.gradient:
            stepper.step(torch.autograd.grad(logits, images_, cotangent)[0])
        for row, index in enumerate(holding):
            if index is not None and stepper.finished[row]:
                results[index] = stepper.result(torch.tensor([row])).images[0].clone()
                holding[row] = None
                if waiting:
                    load(row)
        if not waiting and sum(index is not None for index in holding) == 1 and len(holding) > 1:
            kept = [row for row, index in enumerate(holding) if index is not None]
            stepper.keep(torch.tensor(kept))
            holding = [holding[row] for row in kept]
        if len(results) == 6:
            break
    assert sorted(results) == list(range(6))
    for index, row in enumerate(expected):
        assert (results[index] - row.candidate).abs().max() <= 1e-6


def test_extreme_inputs_end_in_a_verdict(model):
    """Saturated pixels, huge logits and a flat model: robust or broken, never NaN."""
    corners = torch.cat([torch.zeros(2, 3, *SIZE), torch.ones(2, 3, *SIZE)])
    loud = pixel_model(
        nn.Sequential(nn.Flatten(), nn.Linear(192, CLASSES)), classes=CLASSES, size=SIZE
    )
    loud.differentiable.network[1].weight.data.mul_(1e6)
    flat = pixel_model(
        nn.Sequential(nn.Flatten(), nn.Linear(192, CLASSES)), classes=CLASSES, size=SIZE
    )
    flat.differentiable.network[1].weight.data.zero_()
    for network in (model, loud, flat):
        jobs = jobs_for(network, corners, [None] * 4)
        for attack in (IFGSM(steps=3), FGSM()):
            for row in attack_all(attack, network, jobs):
                assert row.outcome.status in (Status.ROBUST, Status.BROKEN)
                assert row.candidate.isfinite().all()


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"epsilon": -0.1}, {"epsilon": 0}, {"epsilon": "find"}, {"attempts": 0},
     {"initial_epsilon": 0}, {"loss": "hinge"}, {"step": 3}, {"relative_step": 0},
     {"epsilon": float("nan")}],
)  # fmt: skip
def test_bad_parameters_are_refused_by_name(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        IFGSM(**wrong)
