"""What one image, one attack or one measurement does wrong stays its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import ClassVar

import pytest
import torch
from torch import nn

from harness import signals
from harness.api import (
    Attack,
    Candidates,
    Measurement,
    MeasurementResult,
    Norm,
    PluginError,
    Point,
    Status,
    SteppedAttack,
    Stepper,
)
from harness.contained import contained
from harness.engine.batches import attack_images
from harness.engine.classifier import PixelClassifier
from harness.engine.guard import Guard
from harness.engine.workers import Workers
from harness.testing.fakes import attack_all, jobs_for, measure_all, pixel_model

SIZE = (2, 2)
POISON = 0.875
"""The first value of the images on which attacks fail."""


def model() -> PixelClassifier:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
    return pixel_model(network, classes=6, size=SIZE)


def jobs(network: PixelClassifier, count: int, *poisoned: int):
    images = torch.rand(count, 3, *SIZE, generator=torch.Generator().manual_seed(1)) / 2
    images[list(poisoned), 0, 0, 0] = POISON
    return jobs_for(network, images, [None] * count)


class _Fragile(Stepper):
    """Three rounds an image; a poisoned one raises in its second."""

    def __init__(self, slots) -> None:
        self.images = torch.zeros(slots.count, *slots.shape)
        self.left = torch.zeros(slots.count)
        self.finished = torch.ones(slots.count, dtype=torch.bool)

    def load(self, rows, batch):
        self.images[rows], self.left[rows], self.finished[rows] = batch.images, 3, False

    def point(self):
        return Point(self.images)

    def observe(self, logits):
        return torch.ones_like(logits)

    def step(self, gradient):
        self.left -= 1
        self.finished |= self.left <= 0
        if ((self.images[:, 0, 0, 0] == POISON) & (self.left == 1)).any():
            raise RuntimeError("this one is too much")

    def result(self, rows):
        return Candidates(self.images[rows])


class Fragile(SteppedAttack):
    norm: ClassVar[Norm] = Norm.LINF

    def stepper(self, slots):
        return _Fragile(slots)


class Whole(Attack):
    norm: ClassVar[Norm] = Norm.LINF

    def perturb(self, target, batch):
        if (batch.images[:, 0, 0, 0] == POISON).any():
            raise RuntimeError("this one is too much")
        return batch.images


@pytest.mark.parametrize("attack", [Fragile(), Whole()])
@pytest.mark.parametrize("poisoned", [(0,), (17,), (5, 6, 39)])
def test_an_image_on_which_an_attack_raises_costs_itself_alone(attack, poisoned):
    network = model()
    todo = jobs(network, 40, *poisoned)
    taken = []

    def stream():
        for job in todo:
            taken.append(job.image_id)
            yield job

    most_ahead, judged = 0, {}
    for rows in attack_images(
        attack, network, stream(), batch_size=8, on_halving=lambda size: None
    ):
        judged.update({int(row.job.image_id): row for row in rows})
        most_ahead = max(most_ahead, len(taken) - len(judged))
    assert sorted(judged) == list(range(40))
    assert {number for number, row in judged.items() if row.outcome.status is Status.ERROR} == {
        *poisoned
    }
    assert all("too much" in judged[number].outcome.error for number in poisoned)
    assert most_ahead <= 16, "pictures wait in memory"


class Keeps(Attack):
    """Keeps what it got and returned, and writes into it at its next call."""

    norm: ClassVar[Norm] = Norm.LINF
    kept: ClassVar[list[torch.Tensor]] = []

    def perturb(self, target, batch):
        for each in self.kept:
            each.zero_()
        found = batch.images * 0.5
        numbers = batch.images[:, 0, 0, 0].clone()
        self.kept.extend((batch.images, batch.labels, batch.classes, found, numbers))
        return Candidates(found, {"first": numbers})


def test_what_a_plugin_keeps_is_nobody_elses():
    network = model()
    todo = jobs(network, 8)
    before = [job.image.clone() for job in todo]
    attack = Keeps()
    found = attack_images(attack, network, iter(todo), batch_size=4, on_halving=lambda size: None)
    judged = [row for rows in found for row in rows]
    for each in attack.kept:
        each.zero_()
    for row, image in zip(judged, before, strict=True):
        assert torch.equal(row.job.image, image)
        assert torch.equal(row.candidate, image * 0.5)
        assert row.outcome.numbers == {"first": float(image[0, 0, 0])}


class Lying(torch.Tensor):
    """Whatever is asked of it, the answer is zero."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), named=None):
        found = super().__torch_function__(function, types, arguments, named or {})
        return found * 0 if isinstance(found, torch.Tensor) else found


class Subclassed(Attack):
    norm: ClassVar[Norm] = Norm.LINF

    def perturb(self, target, batch):
        return (batch.images * 0.5).as_subclass(Lying)


def test_candidates_are_tensors_of_torchs_own_class():
    network = model()
    todo = jobs(network, 4)
    for row in attack_all(Subclassed(), network, todo):
        assert type(row.candidate) is torch.Tensor
        assert row.outcome.norms.linf == float(row.job.image.max() * 0.5)


def to_training(network: PixelClassifier) -> None:
    network.differentiable.train()


def add_a_hair(network: PixelClassifier) -> None:
    next(network.differentiable.parameters()).data[0, 0] += 1e-6


def mirror(network: PixelClassifier) -> None:
    weights = next(network.differentiable.parameters()).data
    weights.copy_(weights.flip(1))


def another_tensor(network: PixelClassifier) -> None:
    parameter = next(network.differentiable.parameters())
    parameter.data = parameter.data + 1


def double(network: PixelClassifier) -> None:
    network.differentiable.double()


def another_layer(network: PixelClassifier) -> None:
    network.differentiable.network = nn.Identity()


def ask_gradients(network: PixelClassifier) -> None:
    next(network.differentiable.parameters()).requires_grad_(True)


def hook(network: PixelClassifier) -> None:
    network.differentiable.register_forward_hook(lambda module, given, logits: logits * 0)


def buffer(network: PixelClassifier) -> None:
    network.differentiable.scale.mul_(2)


CHANGES = {
    to_training: "training mode",
    add_a_hair: "weights",
    mirror: "weights",
    another_tensor: "weights",
    double: "weights",
    another_layer: "made of",
    ask_gradients: "requires_grad",
    hook: "made of",
    buffer: "buffers",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_model_is_put_back_and_the_plugin_named(change):
    network = model()
    images = torch.rand(3, 3, *SIZE)
    before = network.predict(images)
    kept = {name: value.clone() for name, value in network.differentiable.state_dict().items()}
    guard = Guard("the attack", network)
    guard.check()
    change(network)
    with pytest.raises(PluginError, match="the attack changed") as caught:
        guard.check()
    assert CHANGES[change] in str(caught.value)
    assert torch.equal(network.predict(images), before)
    after = network.differentiable.state_dict()
    assert list(after) == list(kept)
    assert all(torch.equal(after[name], value) for name, value in kept.items())
    assert not any(part.requires_grad for part in network.differentiable.parameters())
    guard.check()


class _Counting(nn.Module):
    """A network with a memory of its own: a buffer that each pass changes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, images):
        self.passes += 1
        return images.flatten(1)


def test_a_network_that_changes_by_itself_is_no_plugins_fault():
    network = pixel_model(_Counting(), classes=12, size=SIZE)
    judged = attack_all(Whole(), network, jobs(network, 4))
    assert {row.outcome.status for row in judged} <= {Status.ROBUST, Status.BROKEN}


SETTINGS = {
    "dtype": lambda: torch.set_default_dtype(torch.float64),
    "device": lambda: torch.set_default_device("meta"),
    "gradients": lambda: torch.set_grad_enabled(False),
    "deterministic": lambda: torch.use_deterministic_algorithms(True),
    "benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "tf32": lambda: torch.set_float32_matmul_precision("medium"),
    "bf16": lambda: setattr(torch.backends.mkldnn.matmul, "fp32_precision", "bf16"),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "autocast": lambda: torch.set_autocast_enabled("cpu", True),
    "folder": lambda: os.chdir("/"),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_changed_setting_is_put_back_and_the_plugin_named(setting, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    guard = Guard("the attack")
    SETTINGS[setting]()
    with pytest.raises(PluginError, match="the attack changed"):
        guard.check()
    guard.check()


class Long(Measurement):
    def measure(self, probe, subject):
        return MeasurementResult({"a": torch.ones(2)}, {"b": torch.zeros(2, dtype=torch.float64)})


class Wide(Measurement):
    def measure(self, probe, subject):
        return MeasurementResult({}, {"b": [[1.0, 2.0]]})


class Tensors(Measurement):
    def measure(self, probe, subject):
        return MeasurementResult({"a": torch.ones(())}, {"b": torch.zeros(2, dtype=torch.float64)})


@pytest.mark.parametrize(
    ("measurement", "error"),
    [(Long(), "number 'a' is a tensor float32 (2,)"), (Wide(), "array 'b' is float64 (1, 2)")],
)
def test_a_reading_of_the_wrong_shape_is_its_images_error(measurement, error):
    network = model()
    with Workers(1) as workers:
        (found,) = measure_all(measurement, network, jobs(network, 1), workers)
    assert found.status is Status.ERROR
    assert error in found.error


def test_what_is_a_number_or_an_array_is_taken():
    network = model()
    with Workers(1) as workers:
        (found,) = measure_all(Tensors(), network, jobs(network, 1), workers)
    assert found.numbers == {"a": 1.0}
    assert found.arrays["b"].dtype.name == "float32"


def interrupt() -> None:
    """The user's Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


def swallow() -> None:
    with suppress(BaseException):
        interrupt()


def turn_into_an_error() -> None:
    try:
        interrupt()
    except KeyboardInterrupt as error:
        raise RuntimeError("interrupted") from error


@pytest.mark.parametrize("plugin", [interrupt, swallow, turn_into_an_error])
def test_a_users_interrupt_goes_on_whatever_a_plugin_makes_of_it(plugin):
    try:
        with signals.handled(), pytest.raises(KeyboardInterrupt), contained("the attack"):
            plugin()
    finally:
        with signals.handled():  # nobody has asked any more
            assert not signals.asked()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_plugins_own_interrupt_is_its_error(error):
    with (
        pytest.raises(PluginError, match=f"the attack raised {error.__name__}"),
        contained("the attack"),
    ):
        raise error


def test_what_torch_itself_replaces_is_no_attack_s_doing():
    """The first optimiser of a process loads torch's compiler, which wraps `torch.manual_seed`."""
    program = """
import sys, torch
from harness.api import Attack, Norm
from harness.testing.fakes import attack_all, jobs_for, pixel_model

class Optimised(Attack):
    norm = Norm.L2
    most_images = 1

    def perturb(self, target, batch):
        point = batch.images.clone().requires_grad_(True)
        optimiser = torch.optim.Adam([point])
        target.model()(point).sum().backward()
        optimiser.step()
        return point.detach().clamp(0, 1)

model = pixel_model(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3)),
                    classes=3, size=(2, 2))
assert "torch._dynamo" not in sys.modules
(row,) = attack_all(Optimised(), model, jobs_for(model, torch.rand(1, 3, 2, 2), [None]))
assert "torch._dynamo" in sys.modules
sys.exit(row.outcome.error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
