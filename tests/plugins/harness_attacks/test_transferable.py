"""I-FGSM's momentum and diverse inputs: plain loops, autograd, torchattacks, the search."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from harness.api import Slots, Status
from harness.engine.jobs import to_batch
from harness.testing.fakes import attack_all, jobs_for, pixel_model
from harness_attacks.sign.diversity import NUMBERS, Diversity, pulled_back, transformed
from harness_attacks.sign.fgsm import IFGSM

SIZE, CLASSES = (12, 9), 5
BOTH = {"momentum": 0.9, "input_diversity": 0.7, "resize_rate": 0.6}


@pytest.fixture(scope="module")
def wide():
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Flatten(), nn.Linear(560, CLASSES))
    network[3].weight.data.mul_(3)
    return pixel_model(network, classes=CLASSES, size=SIZE)


@pytest.fixture(scope="module")
def jobs(wide):
    images = torch.rand(14, 3, *SIZE, generator=torch.Generator().manual_seed(4))
    labels = wide.predict(images).argmax(1).tolist()
    targets = [(label + 1) % CLASSES if row % 2 else None for row, label in enumerate(labels)]
    return jobs_for(wide, images, targets)


def _shrunk(image, numbers, attack):
    """What the network sees of ``image`` (c, h, w), by way of indices and padding."""
    u = [0.5 * math.erfc(-float(number) / math.sqrt(2)) for number in numbers]
    _, height, width = image.shape
    if u[0] >= attack.input_diversity:
        return image
    least = int(attack.resize_rate * height)
    tall = least + int(u[1] * (height - least))  # height itself is not among them
    broad = tall * width // height
    top, left = int(u[2] * (height - tall + 1)), int(u[3] * (width - broad + 1))
    rows = torch.arange(tall) * height // tall
    columns = torch.arange(broad) * width // broad
    small = image[:, rows][:, :, columns]
    return nn.functional.pad(small, (left, width - broad - left, top, height - tall - top))


def _plain(attack, model, job):
    """Dong et al. 2018, Algorithm 1, on the inputs of Xie et al. 2019, section 3.3."""
    batch = to_batch([job], device=torch.device("cpu"))
    noise = batch.noise(0, (attack.steps, NUMBERS))[0]
    point, velocity = job.image.clone(), torch.zeros_like(job.image)
    for step in range(attack.steps):
        point = point.detach().requires_grad_(True)
        seen = _shrunk(point, noise[step], attack)
        loss = nn.functional.cross_entropy(model.forward(seen[None]), batch.classes)
        (gradient,) = torch.autograd.grad(-loss if job.target is not None else loss, point)
        velocity = attack.momentum * velocity + gradient / gradient.abs().sum()
        moved = point.detach() + attack.epsilon / attack.steps * velocity.sign()
        moved = torch.minimum(torch.maximum(moved, job.image - attack.epsilon),
                              job.image + attack.epsilon)  # fmt: skip
        point = moved.clamp(0, 1)
    return point


@pytest.mark.parametrize(
    "options", [{"momentum": 1.0}, {"input_diversity": 0.5}, BOTH], ids=lambda each: "+".join(each)
)
def test_it_equals_a_plain_loop(wide, jobs, options):
    attack = IFGSM(epsilon=0.06, steps=8, **options)
    for row in attack_all(attack, wide, jobs, batch_size=4):
        assert row.outcome.passes == attack.passes
        apart = (row.candidate - _plain(attack, wide, row.job)).abs() > 1e-6
        assert apart.float().mean() < 0.01, "more than a few signs of gradients near zero differ"


def test_momentum_equals_torchattacks(wide, jobs):
    torchattacks = pytest.importorskip("torchattacks")
    free = [job for job in jobs if job.target is None]
    ours = attack_all(IFGSM(epsilon=0.04, steps=10, momentum=1.0), wide, free)
    peer = torchattacks.MIFGSM(wide.differentiable, eps=0.04, alpha=0.004, steps=10, decay=1.0)
    images = torch.stack([job.image for job in free])
    labels = torch.tensor([job.label for job in free])
    theirs = peer(images, labels)
    found = torch.stack([row.candidate for row in ours])
    assert ((found - theirs).abs() > 1e-6).float().mean() < 0.01
    broken = (wide.predict(theirs).argmax(1) != labels).tolist()
    assert [row.outcome.status is Status.BROKEN for row in ours] == broken


def test_a_search_takes_the_attempts_of_fixed_budgets(wide, jobs):
    """At the epsilon that it ends with, an attack of that budget ends with the same image."""
    search = IFGSM(steps=5, attempts=7, **BOTH)
    compared = 0
    for row in attack_all(search, wide, jobs, batch_size=5):
        assert row.outcome.passes == search.passes
        epsilon = row.outcome.numbers["epsilon"]
        assert (row.outcome.status is Status.BROKEN) == (not math.isnan(epsilon))
        if not math.isnan(epsilon):
            fixed = IFGSM(epsilon=epsilon, steps=5, **BOTH)
            (again,) = attack_all(fixed, wide, [row.job])
            assert ((row.candidate - again.candidate).abs() > 1e-6).float().mean() < 0.01
            compared += 1
    assert compared > len(jobs) // 2


def test_batch_size_changes_nothing(wide, jobs):
    attack = IFGSM(steps=4, attempts=5, **BOTH)
    runs = [attack_all(attack, wide, jobs, batch_size=size) for size in (64, 1, 7)]
    for rows in zip(*runs, strict=True):
        assert len({row.outcome.status for row in rows}) == 1
        sizes = [row.outcome.norms.linf for row in rows]
        assert sizes == pytest.approx([sizes[0]] * 3, rel=1e-4)


def _diversity(probability=1.0, smallest=0.5):
    slots = Slots(1, (3, *SIZE), CLASSES, torch.device("cpu"), torch.contiguous_format)
    return Diversity(slots, probability=probability, smallest=smallest)


def test_the_gradient_is_pulled_back_exactly():
    """Against autograd through indices and padding."""
    images = torch.rand(6, 3, *SIZE, requires_grad=True)
    numbers = torch.tensor([[1, 6, 2, 1], [1, 8, 4, 0], [1, 11, 0, 1], [1, 12, 0, 0], [0, 6, 2, 1],
                            [1, 6, 2, 1]])  # fmt: skip
    still = torch.tensor([False] * 5 + [True])
    seen = []
    for image, (changes, tall, top, left), rests in zip(
        images, numbers.tolist(), still.tolist(), strict=True
    ):
        broad = tall * SIZE[1] // SIZE[0]
        rows = torch.arange(tall) * SIZE[0] // tall
        columns = torch.arange(broad) * SIZE[1] // broad
        small = image[:, rows][:, :, columns]
        pads = (left, SIZE[1] - broad - left, top, SIZE[0] - tall - top)
        seen.append(nn.functional.pad(small, pads) if changes and not rests else image)
    matrices = _diversity().matrices(numbers, still)
    assert torch.equal(transformed(images, *matrices), torch.stack(seen))
    upstream = torch.randn(images.shape)
    (expected,) = torch.autograd.grad(torch.stack(seen), images, upstream)
    assert (pulled_back(upstream, *matrices) - expected).abs().max() <= 1e-6


def test_what_is_drawn_covers_the_ranges():
    noise = torch.randn(1, 4000, NUMBERS, generator=torch.Generator().manual_seed(1))
    changes, tall, top, left = _diversity(0.3).draws(noise)[0].long().unbind(1)
    assert changes.float().mean() == pytest.approx(0.3, abs=0.03)
    assert sorted(set(tall.tolist())) == list(range(6, 12))
    broad = tall * SIZE[1] // SIZE[0]
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (SIZE[0] - tall - top).min() == (SIZE[1] - broad - left).min() == 0
    assert top[tall == 6].bincount().min() > 50
