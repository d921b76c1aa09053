"""FLOPs by hand, rounds that never end, and timings that are at least numbers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from harness.api import Classifier, Point, Preprocessing
from harness.engine.classifier import PixelClassifier
from harness.engine.device import forget_peak, peak_bytes
from harness.engine.throughput import Rounds
from harness.engine.timing import (
    PassCost,
    count_flops,
    forward_pass,
    images_a_second,
    random_images,
    seconds_an_image,
)
from harness.testing.fakes import pixel_model
from harness_attacks.penalty.cw import CW
from harness_attacks.penalty.ead import EAD
from harness_attacks.sign.fgsm import FGSM, IFGSM

CPU = torch.device("cpu")


@pytest.fixture
def model() -> PixelClassifier:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 24, 7))
    return pixel_model(network, classes=7, size=(6, 8))


def test_flops_are_two_for_a_multiplication_and_addition(model):
    # 3 x 3 x 3 weights for each of 5 x 4 x 6 values; 120 x 7 weights.
    forward = 2 * (27 * 5 * 24) + 2 * (120 * 7)
    # The gradient to the pixels takes as much again; none is taken to the weights.
    assert count_flops(model) == PassCost(forward, 2 * forward)


def test_a_model_without_gradients():
    opaque = PixelClassifier(
        Classifier(None, Preprocessing((4, 4)), 2, lambda images: images.flatten(1)[:, :2]),
        device=CPU,
        fold_batch_norm=True,
    )
    assert count_flops(opaque) == PassCost(None, None)
    found = seconds_an_image(opaque, batch_size=4, seconds=0.001)
    assert found.forward > 0
    assert found.gradient is None


def test_batches_grow_to_the_size_asked_for_and_no_further(model, monkeypatch):
    seen = []
    monkeypatch.setattr(model, "predict", lambda images: seen.append(len(images)))
    found = seconds_an_image(model, batch_size=6, seconds=0.2)
    assert list(dict.fromkeys(seen)) == [1, 2, 4, 6]
    assert 0 < found.forward < 0.2
    assert found.gradient > 0


class Clock:
    """Time that passes only where a pass of ``count`` images takes ``seconds(count, number)``."""

    def __init__(self, seconds):
        self.now, self.seconds, self.sizes = 0.0, seconds, []

    def perf_counter(self) -> float:
        return self.now

    def predict(self, images):
        self.now += self.seconds(len(images), len(self.sizes))
        self.sizes.append(len(images))


@pytest.mark.parametrize(
    ("seconds", "one"),
    [
        (lambda count, number: 0.5 + 0.001 * count, 0.001 + 0.5 / 64),
        (lambda count, number: 1.0 if number == 1 else 0.001 * count, 0.001),
        (lambda count, number: 1.0 if count == 64 and number < 8 else 0.001 * count, 0.001),
    ],
    ids=["every pass waits", "the first one waits", "the first full batch waits"],
)
def test_a_busy_machine_does_not_multiply_the_time_of_an_image(model, monkeypatch, seconds, one):
    clock = Clock(seconds)
    monkeypatch.setattr("harness.engine.timing.time", clock)
    monkeypatch.setattr(model, "predict", clock.predict)
    monkeypatch.setattr(model, "differentiable", None)
    found = seconds_an_image(model, batch_size=64, seconds=0.7)
    assert found.forward == pytest.approx(one)


def test_a_slow_model_is_not_looked_at_for_long(model, monkeypatch):
    clock = Clock(lambda count, number: 0.5 * count)
    monkeypatch.setattr("harness.engine.timing.time", clock)
    monkeypatch.setattr(model, "predict", clock.predict)
    monkeypatch.setattr(model, "differentiable", None)
    found = seconds_an_image(model, batch_size=64, seconds=0.7)
    assert found.forward == pytest.approx(0.5)
    assert clock.sizes == [1, 1, 2, 2]


def test_no_memory_for_a_batch_ends_its_growth(model, monkeypatch):
    predict = model.predict

    def limited(images):
        if len(images) > 2:
            raise torch.OutOfMemoryError("no")
        return predict(images)

    monkeypatch.setattr(model, "predict", limited)
    assert seconds_an_image(model, batch_size=64, seconds=0.05).forward > 0


def test_speed_counts_the_images_of_every_call(model):
    calls = []

    def work() -> int:
        calls.append(1)
        return forward_pass(model, random_images(model, 3))()

    assert math.isfinite(images_a_second(work, CPU, seconds=1e-9))
    assert len(calls) == 5, "two to warm up, three for the median"


@pytest.mark.parametrize(
    "attack",
    [
        FGSM(),
        IFGSM(steps=3, attempts=2),
        CW(iterations=12, search_steps=2),
        EAD(iterations=12, search_steps=2, initial_const=10),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_rounds_go_on_when_images_finish(model, attack, monkeypatch):
    rounds, loads = Rounds(attack, model, 4), []
    stepper = rounds._stepper
    load = stepper.load
    monkeypatch.setattr(stepper, "load", lambda *args: (loads.append(1), load(*args)))
    assert [rounds() for _ in range(60)] == [4] * 60
    assert len(loads) > 2


class Looking:
    """Looks ``looks`` times at two of its slots before each step; a stepper in outline."""

    def __init__(self, looks, steps):
        self.looks, self.left, self.evaluated = looks, steps, []
        self.finished = torch.zeros(4, dtype=torch.bool)

    def point(self):
        full = self.looks is not None and len(self.evaluated) % (self.looks + 1) == self.looks
        return Point(images=torch.zeros(1), rows=None if full else torch.tensor([0, 1]))

    def load(self, rows, batch):
        self.finished[rows] = False

    def next_finish(self):
        return None

    def stepper(self, slots):
        return self


@pytest.mark.parametrize(("looks", "rounds"), [(0, [1, 1]), (1, [2, 2]), (3, [4, 4]), (None, [6])])
def test_a_round_lasts_until_all_slots_are_evaluated(model, monkeypatch, looks, rounds):
    """However often an attack looks at some of them; one that only looks, until they are done."""
    attack = Looking(looks, steps=6)

    def evaluate(stepper, _, point):
        stepper.evaluated.append(point)
        if looks is None:
            stepper.left -= 1
            stepper.finished[:] = stepper.left == 0

    monkeypatch.setattr("harness.engine.throughput.evaluate", evaluate)
    measured = Rounds(attack, model, 4)
    found = []
    for _ in rounds:
        before = len(attack.evaluated)
        assert measured() == 4
        found.append(len(attack.evaluated) - before)
    assert found == rounds


def test_memory_is_counted_from_the_last_forgetting():
    keep = torch.ones(30_000_000)
    high = peak_bytes(CPU)
    assert high > keep.nbytes
    del keep
    forget_peak(CPU)
    assert 0 < peak_bytes(CPU) <= high
