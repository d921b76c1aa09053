"""Gradients in fp32, TF32 or bf16; verdicts in IEEE fp32; nothing of it outlives a pass."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest
import torch
from torch import nn

from harness.api import (
    Access,
    Attack,
    Candidates,
    Classifier,
    ConfigError,
    Measurement,
    MeasurementResult,
    ModelError,
    Norm,
    Passes,
    Point,
    Preprocessing,
    SteppedAttack,
    Stepper,
)
from harness.engine import device, exact
from harness.engine.classifier import PixelClassifier
from harness.engine.device import must_compute_in
from harness.engine.numerics import computing_in
from harness.engine.workers import Workers
from harness.testing.fakes import attack_all, jobs_for, measure_all
from harness_attacks.penalty.cw import CW
from harness_attacks.penalty.ead import EAD
from harness_attacks.sign.fgsm import IFGSM

CPU = torch.device("cpu")
SIZE = (4, 4)
IMAGES = torch.rand((6, 3, *SIZE), generator=torch.Generator().manual_seed(0))


class Seeing(nn.Module):
    """Two layers; notes what the second one gets, and in which arithmetic it is asked."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(48, 16), nn.Linear(16, 5)
        self.seen: list[tuple[object, ...]] = []
        self.backward: list[tuple[object, ...]] = []

    def forward(self, images):
        hidden = self.first(images.flatten(1)).tanh()
        self.seen.append((hidden.dtype, *_state()))
        if hidden.requires_grad:
            hidden.register_hook(lambda gradient: self.backward.append((gradient.dtype, *_state())))
        return self.second(hidden)


def _state() -> tuple[object, ...]:
    return torch.is_autocast_enabled("cpu"), torch.get_float32_matmul_precision()


def of(network: nn.Module, numerics: str = "bf16", *, classes: int = 5, rows: int | None = None):
    classifier = Classifier(network, Preprocessing(SIZE), classes)
    return PixelClassifier(
        classifier, device=CPU, fold_batch_norm=False, rows=rows, numerics=numerics
    )


@pytest.fixture
def tf32_here(monkeypatch):
    """As if this CPU had TF32: its settings are the process's, and can be seen."""
    monkeypatch.setattr(device, "_has_tf32", lambda device: True)


EXACT, ROUGH = (torch.float32, False, "highest"), (torch.bfloat16, True, "highest")


@pytest.fixture(autouse=True)
def nothing_leaks():
    device.be_exact()
    before = _state(), device.precisions(), torch.get_autocast_dtype("cpu")
    yield
    assert (_state(), device.precisions(), torch.get_autocast_dtype("cpu")) == before


def test_a_bf16_gradient_runs_under_autocast_and_its_backward_outside():
    network = Seeing()
    made = of(network).differentiated(IMAGES)
    gradient = made.gradient(torch.ones_like(made.logits))
    assert network.seen == [ROUGH]
    assert network.backward == [(torch.bfloat16, False, "highest")]
    assert made.logits.dtype is gradient.dtype is torch.float32
    assert gradient.shape == IMAGES.shape
    assert network.first.weight.dtype is torch.float32
    wanted = of(network, "fp32").differentiated(IMAGES)
    off = (gradient - wanted.gradient(torch.ones_like(made.logits))).abs().max()
    assert 0 < off < 0.02 * gradient.abs().max()
    assert network.seen[-1] == EXACT


def test_who_looks_at_the_precision_beside_a_pass_sees_what_it_is_outside(tf32_here):
    """A loader at work in another thread is not blamed for the passes' TF32."""
    before = device.tf32_settings(), device.precisions()
    with ThreadPoolExecutor(1) as other:
        with device.tf32_allowed():
            assert (device.tf32_settings(), device.precisions()) != before
            seen = other.submit(lambda: (device.tf32_settings(), device.precisions()))
            with pytest.raises(TimeoutError):
                seen.result(timeout=0.2)
        assert seen.result() == before


def test_tf32_is_allowed_forwards_and_backwards_alone(tf32_here):
    network = Seeing()
    model = of(network, "tf32")
    made = model.differentiated(IMAGES)
    assert torch.get_float32_matmul_precision() == "highest"
    made.gradient(torch.ones_like(made.logits))
    model.logits(IMAGES)
    model.predict(IMAGES)
    assert network.seen == [(torch.float32, False, "high")] * 2 + [EXACT]
    assert network.backward == [(torch.float32, False, "high")]


@pytest.mark.parametrize("numerics", ["fp32", "bf16", "tf32"])
def test_predictions_are_in_fp32_under_any_settings(numerics, tf32_here):
    network = Seeing()
    model = of(network, numerics)
    with torch.autocast("cpu", torch.bfloat16):
        found = model.predict(IMAGES)
        model.forward(IMAGES)
        assert torch.is_autocast_enabled("cpu")
    assert network.seen == [EXACT, EXACT]
    with torch.inference_mode():
        wanted = network.second(network.first(IMAGES.flatten(1)).tanh())
    assert torch.equal(found, wanted)


def test_an_fp32_gradient_takes_no_attacks_autocast():
    network = Seeing()
    with torch.autocast("cpu", torch.bfloat16):
        made = of(network, "fp32").differentiated(IMAGES)
        made.gradient(torch.ones_like(made.logits))
    assert network.seen == [EXACT]
    assert network.backward == [(torch.float32, False, "highest")]


class _Broken(nn.Module):
    def forward(self, images):
        if torch.is_autocast_enabled("cpu") or torch.get_float32_matmul_precision() == "high":
            raise TypeError("no such kernel")
        return images.flatten(1)[:, :5]


@pytest.mark.parametrize("numerics", ["bf16", "tf32"])
def test_a_network_that_cannot_says_so_in_one_line(numerics, tf32_here):
    model = of(_Broken(), numerics)
    model.predict(IMAGES)
    with pytest.raises(ModelError) as caught:
        model.differentiated(IMAGES)
    assert str(caught.value) == (
        f"the model failed in {numerics}: TypeError: no such kernel;"
        " --numerics fp32, if it works in that"
    )


@pytest.mark.parametrize("numerics", ["fp32", "bf16", "tf32"])
def test_settings_outlive_no_exception(numerics):
    torch.set_autocast_enabled("cpu", True)
    torch.set_autocast_dtype("cpu", torch.float16)
    try:
        with pytest.raises(ZeroDivisionError), computing_in(numerics, CPU):
            _within(numerics)
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_autocast_dtype("cpu") is torch.float16
        assert not torch.backends.cudnn.allow_tf32
    finally:
        torch.set_autocast_enabled("cpu", False)
        torch.set_autocast_dtype("cpu", torch.bfloat16)


def _within(numerics):
    assert torch.is_autocast_enabled("cpu") == (numerics == "bf16")
    assert torch.backends.cudnn.allow_tf32 == (numerics == "tf32")
    raise ZeroDivisionError


def test_tf32_on_a_cpu_is_one_line():
    with pytest.raises(ConfigError) as caught:
        must_compute_in("tf32", CPU)
    assert str(caught.value).startswith("numerics: cpu has no TF32; take --numerics fp32 or bf16")
    with pytest.raises(ConfigError):
        of(Seeing(), "tf32")
    must_compute_in("bf16", CPU)


class _Close(nn.Module):
    """Class 1 is ahead of class 0 by less than bf16 can tell."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(48, 2, bias=False)
        self.layer.weight.data.fill_(1.0)
        self.layer.weight.data[1] += 2**-12

    def forward(self, images):
        return self.layer(images.flatten(1))


class _Stays(Stepper):
    """One gradient at the image itself; notes the dtypes that it is given."""

    def __init__(self, slots, seen) -> None:
        self.images = torch.zeros(slots.count, *slots.shape)
        self.finished = torch.ones(slots.count, dtype=torch.bool)
        self.seen = seen

    def load(self, rows, batch):
        self.images[rows], self.finished[rows] = batch.images, False

    def point(self):
        return Point(self.images)

    def observe(self, logits):
        self.seen.append((logits.dtype, _state(), (logits[:, 0] - logits[:, 1]).abs().max()))
        return torch.ones_like(logits)

    def step(self, gradient):
        assert gradient.dtype is torch.float32
        assert _state() == (False, "highest")
        self.finished[:] = True

    def result(self, rows):
        return Candidates(self.images[rows])


SEEN: list[tuple[object, ...]] = []


class Stays(SteppedAttack):
    norm: ClassVar[Norm] = Norm.LINF

    def stepper(self, slots):
        return _Stays(slots, SEEN)


def test_the_attack_works_in_fp32_and_the_verdict_is_an_fp32_forward_pass():
    model = of(_Close(), classes=2)
    SEEN.clear()
    judged = attack_all(Stays(), model, jobs_for(model, IMAGES, [None] * len(IMAGES)))
    ((dtype, state, apart),) = SEEN
    assert (dtype, state, float(apart)) == (torch.float32, (False, "highest"), 0.0)
    wanted = model.predict(IMAGES)
    for row, logits in zip(judged, wanted, strict=True):
        assert row.outcome.verdict.predicted == 1
        # untargeted: the goal's margin is that of the other class
        assert row.outcome.verdict.margin == pytest.approx(float(logits[0] - logits[1]), abs=1e-7)
        assert row.outcome.verdict.margin < 0


class White(Attack):
    norm: ClassVar[Norm] = Norm.LINF
    access: ClassVar[Access] = Access.WHITE_BOX

    def perturb(self, target, batch):
        own, gradient = target.gradient(batch.images, self._loss)
        assert torch.equal(own, target.logits(batch.images)), "they can be compared"
        assert torch.equal(own, own.bfloat16().float())
        assert gradient.dtype is own.dtype is torch.float32
        target.labels(batch.images)
        return Candidates(batch.images)

    @staticmethod
    def _loss(logits):
        assert logits.dtype is torch.float32
        assert _state() == (False, "highest")
        logits[:, 0] -= 1  # it is the loss's own
        return logits.logsumexp(1)


class Grey(White):
    access: ClassVar[Access] = Access.SCORES

    def perturb(self, target, batch):
        target.logits(batch.images)
        target.labels(batch.images)
        return Candidates(batch.images)


@pytest.mark.parametrize(("attack", "passes"), [(White(), [ROUGH] * 2 + [EXACT]),
                                                (Grey(), [EXACT] * 2)])  # fmt: skip
def test_whole_batches_get_the_same_numerics(attack, passes):
    network = Seeing()
    model = of(network)
    jobs = jobs_for(model, IMAGES, [None] * len(IMAGES))
    network.seen.clear()
    judged = attack_all(attack, model, jobs)
    assert [row.outcome.error for row in judged] == [None] * len(IMAGES)
    assert network.seen == [*passes, EXACT], "the last one is the verdict's"


class Asks(Measurement):
    access: ClassVar[Access] = Access.WHITE_BOX
    scores: ClassVar[dict[str, str]] = {"slope": ""}

    def passes(self, goal, classes):
        return Passes(3, 2)

    def measure(self, probe, subject):
        images = subject.image[None]
        probe.logits(images)
        logits, gradient = probe.gradient(
            images, lambda logits, k: (logits * k).sum(1), torch.ones(1, 5)
        )
        _, slopes = probe.slopes(images, [(0, 1)], lambda gradient: gradient.flatten(1).norm(dim=1))
        assert logits.dtype is gradient.dtype is slopes.dtype is torch.float32
        return MeasurementResult({"slope": float(slopes[0, 0])})


def test_a_measurements_gradients_follow_and_its_predictions_do_not():
    network = Seeing()
    model = of(network)
    jobs = jobs_for(model, IMAGES[:1], [None])
    network.seen.clear()
    with Workers(1) as workers:
        (row,) = measure_all(Asks(), model, jobs, workers)
    assert row.error is None
    assert network.seen == [EXACT, ROUGH, ROUGH]


def test_a_bf16_gradient_does_not_depend_on_the_batch():
    model = of(Seeing())
    direction = torch.ones(1, 5)
    together = model.differentiated(IMAGES)
    whole = together.gradient(direction.expand(len(IMAGES), 5))
    for row, image in enumerate(IMAGES):
        alone = model.differentiated(image[None])
        torch.testing.assert_close(alone.logits[0], together.logits[row], rtol=0.01, atol=0.01)
        one = alone.gradient(direction)[0]
        assert (one - whole[row]).abs().max() <= 0.02 * whole[row].abs().max()


@pytest.mark.parametrize(
    "attack",
    [IFGSM(steps=3, attempts=4), CW(iterations=20, search_steps=3), EAD(iterations=20)],
    ids=lambda attack: type(attack).__name__,
)
def test_bundled_attacks_in_bf16_are_judged_like_any_other(attack):
    network = Seeing()
    model = of(network)
    labels = model.predict(IMAGES).argmax(1)
    jobs = jobs_for(model, IMAGES, [(int(label) + 1) % 5 for label in labels])
    judged = attack_all(attack, model, jobs)
    assert all(row.outcome.status.judged for row in judged)
    candidates = torch.stack([row.candidate for row in judged])
    with torch.inference_mode():
        wanted = network.second(network.first(candidates.flatten(1)).tanh()).argmax(1)
    assert [row.outcome.verdict.predicted for row in judged] == wanted.tolist()
    few = attack_all(attack, model, jobs, batch_size=2)
    for one, other in zip(judged, few, strict=True):
        assert one.outcome.status is other.outcome.status


def test_exact_arithmetic_is_checked_in_the_gradients_numerics():
    network = Seeing()
    exact.check(of(network, rows=32))
    assert set(network.seen) == {EXACT, ROUGH}
