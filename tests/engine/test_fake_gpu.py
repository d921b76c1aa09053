"""What works on a CPU works on a GPU, in the same way, and the GPU is hardly ever waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from harness.api import Attack, Batch, Goal, Norm, Point, SteppedAttack, Stepper, look, looks
from harness.engine.clean import predict_clean
from harness.engine.forwards import predicting
from harness.engine.jobs import Job
from harness.engine.slots import SlotEngine
from harness.engine.transfer import Pictures, evaluate
from harness.engine.trial import tried
from harness.engine.workers import Workers
from harness.testing.fake_gpu import FakeGPU, HiddenLook, fake_gpu
from harness.testing.fakes import attack_all, jobs_for, measure_all, pixel_model
from harness.testing.gpu import AttackOnGPU, attack_on_gpu, check_on_gpu
from harness_attacks.penalty.cw import CW
from harness_attacks.penalty.ead import EAD
from harness_attacks.sign.fgsm import FGSM, IFGSM
from harness_metrics.clever import Clever
from harness_metrics.divergence import Divergence
from harness_metrics.surface import Surface

SHAPE, CLASSES = (3, 6, 6), 4
GOALS = [goal.value for goal in Goal]

ATTACKS = {
    "fgsm": FGSM(epsilon=0.1),
    "fgsm search": FGSM(epsilon="search", attempts=3),
    "ifgsm": IFGSM(epsilon=0.1, steps=3, loss="logit"),
    "ifgsm step": IFGSM(epsilon=0.1, steps=3, relative_step=0.6),
    "ifgsm search": IFGSM(steps=3, attempts=3),
    "cw": CW(iterations=6, search_steps=2, learning_rate=0.05, initial_const=1.0),
    "cw abort": CW(iterations=12, search_steps=2, learning_rate=0.05, kappa=0.1),
    "cw warm": CW(
        iterations=6, search_steps=3, learning_rate=0.05, warm_start=True, adam_epsilon="outside"
    ),
    "ead": EAD(iterations=8, search_steps=3, learning_rate=0.05, initial_const=0.1),
    "ead abort": EAD(iterations=12, search_steps=2, decision_rule="en", beta=0.01),
    "ead lazy": EAD(iterations=8, search_steps=2, lazy_margin=0.5, initial_const=10.0),
}
"""Every stepped attack of the project, and what makes it go another way."""

LOOKS_PER_ROUND = {
    name: {0, 1} if name.startswith("cw") else {0, 1, 2, 3}
    for name in ATTACKS
    if name.startswith(("cw", "ead"))
}
"""How often the host may look at the GPU within a round; elsewhere never.

C&W looks at which images end their binary-search step, in rounds where some may; EAD after each
gradient at which iterates need a forward pass, and at a step's begin and end.
"""


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, CLASSES)
    )


def small_model():
    return pixel_model(network(), classes=CLASSES, size=SHAPE[1:])


def some_jobs(model, count: int = 5) -> list[Job]:
    images = torch.rand((count, *SHAPE), generator=torch.Generator().manual_seed(1))
    labels = model.predict(images).argmax(1).tolist()
    targets = [None if row % 3 == 0 else (labels[row] + row) % CLASSES for row in range(count)]
    targets = [None if to == label else to for to, label in zip(targets, labels, strict=True)]
    return jobs_for(model, images, targets)


def assert_same(here, there) -> None:
    for one, other in zip(here, there, strict=True):
        assert one.outcome.status == other.outcome.status, other.outcome.error
        assert one.outcome.passes == other.outcome.passes
        assert one.outcome.numbers == pytest.approx(other.outcome.numbers, nan_ok=True)
        torch.testing.assert_close(one.candidate, other.candidate)


@pytest.mark.parametrize("name", ATTACKS)
def test_every_stepper_does_on_a_gpu_what_it_does_on_a_cpu(name):
    model, moved = small_model(), small_model()
    jobs = some_jobs(model)
    here = attack_all(ATTACKS[name], model, jobs, batch_size=3, eight_bit=True)
    there = attack_on_gpu(ATTACKS[name], moved, jobs, batch_size=3, eight_bit=True)
    assert_same(here, there.judged)
    assert there.hidden == []
    assert set(there.looks_per_round) <= LOOKS_PER_ROUND.get(name, {0})
    assert there.rounds > 3 or "fgsm" in name


@pytest.mark.parametrize("name", ATTACKS)
def test_copies_to_a_gpu_do_not_make_the_host_wait(name):
    model = small_model()
    found = attack_on_gpu(ATTACKS[name], model, some_jobs(model), batch_size=3)
    assert [wait for wait in found.waits if wait.kind == "waiting upload"] == []


def test_the_looks_outside_the_rounds_are_these():
    model = small_model()
    found = attack_on_gpu(ATTACKS["ifgsm search"], model, some_jobs(model), batch_size=3)
    places = {(wait.kind, wait.where.split()[-1]) for wait in found.waits}
    assert places == {
        ("look", "_finished_rows"),  # which slots have finished, when the host knows that some have
        ("look", "load"),  # the slots that an attack's stepper refills
        ("look", "keep"),
        ("look", "_verdicts"),  # the passes of what has finished
        ("look", "judge"),  # the verdicts
        ("look", "__init__"),  # the guard's copy of the weights, and
        ("look", "_unchanged"),  # whether they are what they were, before each verdict
    }
    ends = [wait.where.split()[-1] for wait in found.waits]
    assert ends.count("judge") == 2 * ends.count("_verdicts")


def test_a_search_without_known_end_is_only_glanced_at():
    """C&W with its early abort: the mask of what has finished comes while newer rounds run."""
    model = small_model()
    found = attack_on_gpu(ATTACKS["cw abort"], model, some_jobs(model), batch_size=3)
    assert {wait.kind for wait in found.waits if "_delayed" in wait.where} == {"glance"}
    assert not [wait for wait in found.waits if "_finished_rows" in wait.where]


def test_passes_have_few_numbers_of_rows():
    """Each new one costs a GPU the planning of every layer."""
    model, seen = small_model(), set()
    jobs = some_jobs(model, 27)
    model.differentiable.register_forward_hook(lambda _, inputs, output: seen.add(len(output)))
    attack_on_gpu(ATTACKS["ead"], model, jobs, batch_size=11)
    assert {8, 12} <= seen <= {1, 2, 4, 8, 10, 12}


class Whole(Attack):
    """A whole-batch attack that goes all ways through its target."""

    norm = Norm.LINF

    @property
    def budget(self) -> float:
        return 0.1

    def perturb(self, target, batch: Batch) -> torch.Tensor:
        def loss(logits):
            own = logits.gather(1, batch.classes[: len(logits), None]).squeeze(1)
            return torch.where(batch.targeted[: len(logits)], own, -own)

        images = batch.images
        _, gradient = target.gradient(images, loss)
        images = (images + 0.05 * gradient.sign() + 0.01 * batch.noise(0).sign()).clamp(0, 1)
        rows = torch.arange(len(images) // 2, device=images.device)
        target.labels(images[rows], rows)
        target.logits(images)
        _, half = target.gradient(images[rows], loss, rows)
        images[rows] = (images[rows] + 0.02 * half.sign()).clamp(0, 1)
        return images


def test_whole_batch_attacks_too():
    model, moved = small_model(), small_model()
    jobs = some_jobs(model)
    found = attack_on_gpu(Whole(), moved, jobs, batch_size=3)
    assert_same(attack_all(Whole(), model, jobs, batch_size=3), found.judged)
    assert found.hidden == []
    perturbing = [wait for wait in found.waits if "Whole.perturb" in wait.within]
    assert perturbing == []


@pytest.mark.parametrize("attack", [ATTACKS["cw abort"], ATTACKS["ead"], Whole()])
def test_budgets_and_best_queries_on_a_gpu(attack):
    """The GPU is asked about passes only where the next ones may be too many."""
    model, moved = small_model(), small_model()
    jobs = [replace(job, budget=5) for job in some_jobs(model)]
    here = attack_all(attack, model, jobs, batch_size=3)
    found = attack_on_gpu(attack, moved, jobs, batch_size=3)
    assert_same(here, found.judged)
    for one, other in zip(here, found.judged, strict=True):
        mine, its = one.outcome.best_query, other.outcome.best_query
        assert (mine.status, mine.passes) == (its.status, its.passes)
        assert mine.distance == (its.distance and pytest.approx(its.distance))
    assert found.hidden == []
    assert [wait for wait in found.waits if wait.kind == "waiting upload"] == []
    asked = [w for w in found.waits if w.where.split()[-1] in ("ended", "_allowed")]
    assert 0 < len(asked) <= 2 * len(jobs)


@pytest.fixture(scope="module")
def workers():
    with Workers(1) as pool:
        yield pool


MEASUREMENTS = {
    "clever": Clever(batches=2, samples=9, radius_l2=0.5),
    "clever sequential": Clever(norms=("l2",), batches=40, samples=2, tolerance=0.5, top=1),
    "divergence": Divergence(steps=3, restarts=2),
    "divergence l2": Divergence(steps=3, restarts=3, norm="l2", logits="unit"),
    "surface": Surface(points=5),
    "surface attack": Surface(points=5, direction="attack", attack="fgsm", clip=True),
}


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_measurement_does_on_a_gpu_what_it_does_on_a_cpu(name, workers):
    measurement = MEASUREMENTS[name]
    model, moved = small_model(), small_model()
    jobs = [
        Job(job.cell, job.image_id, job.image, job.label, job.target, job.seed, job.image * 0.9)
        for job in some_jobs(model, 2)
    ]
    here = measure_all(measurement, model, jobs, workers, batch_size=8)
    with fake_gpu() as gpu:
        gpu.hold(moved)
        there = measure_all(measurement, moved, jobs, workers, batch_size=8)
    for one, other in zip(here, there, strict=True):
        assert one.error == other.error
        assert one.passes == other.passes
        assert one.numbers == pytest.approx(other.numbers, rel=1e-4, nan_ok=True)
        for key, array in one.arrays.items():
            assert array == pytest.approx(other.arrays[key], rel=1e-4, abs=1e-6)
    assert {wait.kind for wait in gpu.waits} == {"look"}
    passing = [wait for wait in gpu.waits if any("_batched" in each for each in wait.within)]
    assert passing == []  # none while passes are under way


def test_clean_predictions_trials_and_transfer():
    model, moved = small_model(), small_model()
    images = torch.rand((6, *SHAPE), generator=torch.Generator().manual_seed(1))
    rows = [(str(row), image, 1) for row, image in enumerate(images)]
    batch = Pictures(images, torch.arange(6) % CLASSES, torch.ones(6, dtype=torch.int64))
    larger = Pictures(torch.rand(2, 3, 9, 4), torch.tensor([0, 3]))

    def work(model):
        yield from predict_clean(model, iter(rows), batch_size=4, on_halving=print)
        yield tried(model, images[:2], print)
        forward = predicting(model)
        yield list(evaluate(forward, [batch, larger], border=0.5, on_halving=print))

    here = list(work(model))
    with fake_gpu() as gpu:
        gpu.hold(moved)
        there = list(work(moved))
    assert here == there
    assert {wait.kind for wait in gpu.waits} == {"look", "glance"}
    assert sum(wait.kind == "glance" for wait in gpu.waits) == 2  # a batch each
    assert sum("_predict" in wait.where for wait in gpu.waits) == 2


# What is wrong is seen.


class Toy(Stepper):
    """One step; ``wrong`` says what it does besides."""

    def __init__(self, slots, wrong: str) -> None:
        self.finished = torch.ones(slots.count, dtype=torch.bool, device=slots.device)
        self.images = torch.zeros((slots.count, *slots.shape), device=slots.device)
        self.wrong = wrong

    def load(self, rows, batch) -> None:
        self.images[rows] = batch.images
        self.finished[rows] = False

    def point(self) -> Point:
        return Point(self.images)

    def observe(self, logits):
        return torch.ones_like(logits)

    def step(self, gradient) -> None:
        if self.wrong == "item":
            gradient = gradient * gradient.abs().max().item()
        if self.wrong == "cpu":
            gradient = gradient.cpu().to(gradient.device)
        if self.wrong == "bool" and gradient.any():
            gradient = gradient * 2
        if self.wrong == "nonzero":
            gradient[gradient.abs().flatten(1).amax(1).nonzero().squeeze(1)] += 1
        if self.wrong == "mask":
            gradient[gradient > 0] = torch.ones_like(gradient[0])[0, 0]
        if self.wrong == "mixed":
            gradient = gradient + torch.ones(gradient.shape)
        if self.wrong == "upload":
            gradient = gradient + torch.tensor([1.0], device=gradient.device)
        if self.wrong == "look":
            gradient = gradient * float(look(gradient.max()))
        self.images = (self.images + 0.01 * gradient.sign()).clamp(0, 1)
        self.finished = torch.ones_like(self.finished)

    def result(self, rows):
        return self.images[rows]


class ToyAttack(SteppedAttack):
    norm = Norm.LINF
    wrong: str = ""

    def stepper(self, slots) -> Stepper:
        return Toy(slots, self.wrong)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("item", "_local_scalar_dense"),
        ("cpu", "_to_copy"),
        ("bool", "_local_scalar_dense"),
        ("nonzero", "nonzero"),
        ("mask", "index_put"),
        ("mixed", "same device"),
        ("upload", "waiting upload"),
        ("look", "looks within a round"),
    ],
)
def test_an_attack_that_makes_the_host_wait_or_mixes_devices_is_found_out(wrong, complaint):
    with pytest.raises(AssertionError, match=complaint) as caught:
        check_on_gpu(ToyAttack(wrong=wrong))
    if wrong != "mixed":
        assert "test_fake_gpu.py" in str(caught.value)
        assert "step" in str(caught.value)


def test_an_attack_that_does_neither_passes():
    found = check_on_gpu(ToyAttack())
    assert isinstance(found, AttackOnGPU)
    assert set(found.looks_per_round) == {0}
    assert check_on_gpu(Whole()).hidden == []
    assert check_on_gpu(EAD(iterations=4, search_steps=1), looks_per_round=3).rounds > 4


def test_a_round_that_waits_is_found_in_the_engine_too(monkeypatch):
    """The counters are looked at in each round, as a change might do."""
    see = SlotEngine._see

    def wrong(self, point, logits):
        see(self, point, logits)
        self._passes.sum().item()

    monkeypatch.setattr(SlotEngine, "_see", wrong)
    model = small_model()
    found = attack_on_gpu(FGSM(), model, some_jobs(model), batch_size=3)
    assert "wrong" in found.hidden[0].where


def test_several_tensors_are_one_look():
    values = [
        torch.tensor(3.0),
        torch.tensor([[True, False], [False, True]]),
        torch.tensor([2**62 + 1]),
        torch.tensor([torch.nan, 1e-300], dtype=torch.float64),
        torch.rand(2, 3, 4).transpose(1, 2),
        torch.zeros(0, 3),
    ]
    with fake_gpu() as gpu:
        there = [each.to(gpu.device, non_blocking=True) for each in values]
        found = looks(*there, torch.ones(1))
        assert [wait.kind for wait in gpu.waits] == ["look"]
    for one, other in zip([*values, torch.ones(1)], found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    assert all(one is other for one, other in zip(values, looks(*values), strict=True))


def test_gradients_of_the_fake_gpu_are_torchs():
    model, moved = small_model(), small_model()
    images = torch.rand(2, *SHAPE)

    def gradients(model, images):
        point = images.detach().requires_grad_(True)
        both = point * 2 + point
        logits = model.forward(both)
        return torch.autograd.grad([logits.exp().sum(), (logits * both.sum()).sum()], [point, both])

    with fake_gpu() as gpu:
        assert isinstance(gpu, FakeGPU)
        gpu.hold(moved)
        found = [look(each) for each in gradients(moved, images.to(gpu.device))]
    for one, other in zip(gradients(model, images), found, strict=True):
        torch.testing.assert_close(one, other)


def test_the_fake_gpu_is_gone_afterwards():
    with fake_gpu() as gpu:
        here = torch.ones(2, device=gpu.device)
        with pytest.raises(HiddenLook):
            here.cpu()
    assert torch.ones(2).device.type == "cpu"
    assert torch.autograd.grad(*(2 * [torch.ones(1, requires_grad=True)]))[0].item() == 1
