"""The engine's part: counting, halving, access, failures, and work in other processes."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from harness.api import Access, Later, Measurement, ModelError, Reading, Status
from harness.engine.measuring import measure_images
from harness.engine.probe import CountingProbe
from harness.engine.workers import Workers
from harness.testing.fakes import jobs_for, linear_model, measure_all

WEIGHTS = torch.randn((4, 12), generator=torch.Generator().manual_seed(0))
IMAGES = torch.rand((3, 3, 2, 2), generator=torch.Generator().manual_seed(1))


def doubled(value: float) -> Reading:
    return Reading({"doubled": 2 * value})


def killed() -> Reading:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Slopes(Measurement):
    def measure(self, probe, subject):
        _, lengths = probe.slopes(
            subject.image.expand(5, -1, -1, -1), [(0, 1), (2, 3)], lambda each: each.flatten(1)
        )
        expected = torch.stack((WEIGHTS[0] - WEIGHTS[1], WEIGHTS[2] - WEIGHTS[3]))
        return Reading({"off": float((lengths - expected).abs().max())})


class Doubles(Measurement):
    def measure(self, probe, subject):
        return Later(doubled, (float(probe.logits(subject.image[None])[0, 0]),))


class Faulty(Measurement):
    """The first image kills its process, the second raises, the third is not finite."""

    def measure(self, probe, subject):
        number = int(subject.seed)
        if number == 0:
            return Later(killed, ())
        if number == 1:
            raise ValueError("no good")
        return Reading({"fine": 1.0, "poor": float("nan")})


class Greedy(Measurement):
    access = Access.SCORES

    def measure(self, probe, subject):
        probe.gradient(subject.image[None], lambda logits: logits[:, 0])
        return Reading()


@pytest.fixture
def model():
    return linear_model(WEIGHTS, torch.zeros(4), size=(2, 2))


@pytest.mark.parametrize("size", [1, 2, 64])
def test_slopes_are_counted_and_right_in_any_batches(model, workers, size):
    jobs = jobs_for(model, IMAGES, [None] * 3)
    for row in measure_all(Slopes(), model, jobs, workers, batch_size=size):
        assert row.numbers["off"] < 1e-6
        assert (row.forwards, row.backwards) == (5, 10)


def test_what_comes_later_belongs_to_its_image(model, workers):
    rows = measure_all(Doubles(), model, jobs_for(model, IMAGES, [None] * 3), workers)
    logits = model.predict(IMAGES)[:, 0].tolist()
    assert [row.numbers["doubled"] for row in rows] == pytest.approx([2 * one for one in logits])


def test_each_failure_is_its_images_own(model):
    with Workers(1) as workers:
        jobs = jobs_for(model, IMAGES, [None] * 3)
        one, two, three = measure_all(Faulty(), model, jobs, workers)
        assert one.status is two.status is Status.ERROR
        assert "no good" in two.error
        assert three.status is Status.INVALID
        assert "poor" in three.error
        (after,) = measure_all(Doubles(), model, jobs[:1], workers)
        assert after.status is Status.MEASURED, "a process that died is replaced"


def test_what_was_not_declared_is_refused(model, workers):
    (row,) = measure_all(Greedy(), model, jobs_for(model, IMAGES[:1], [None]), workers)
    assert row.status is Status.ERROR
    assert "declares access 'scores'" in row.error


def test_batches_are_halved_until_they_fit(model, monkeypatch, workers):
    forward, halvings = model.forward, []

    def small(images):
        if len(images) > 2:
            raise torch.OutOfMemoryError("too large")
        return forward(images)

    monkeypatch.setattr(model, "forward", small)
    stream = measure_images(
        Slopes(), model, iter(jobs_for(model, IMAGES, [None] * 3)), workers,
        batch_size=8, on_halving=halvings.append, on_pass=lambda: None,
    )  # fmt: skip
    rows = [row for rows in stream for row in rows]
    assert halvings == [4, 2]
    assert [row.forwards for row in rows] == [5, 5, 5]
    assert all(row.numbers["off"] < 1e-6 for row in rows)
    monkeypatch.setattr(model, "forward", lambda images: small(images.repeat(3, 1, 1, 1)))
    probe = CountingProbe(model, Slopes(), size=1, on_halving=halvings.append, on_pass=lambda: None)
    with pytest.raises(ModelError, match="single image"):
        probe.slopes(IMAGES, [(0, 1)], lambda each: each)


def test_a_model_that_fails_ends_the_stream_after_what_is_finished(model, monkeypatch, workers):
    predict, calls = model.predict, []

    def failing(images):
        calls.append(1)
        if len(calls) > 2:
            raise ModelError("it broke")
        return predict(images)

    jobs = jobs_for(model, IMAGES, [None] * 3)
    monkeypatch.setattr(model, "predict", failing)
    rows = []
    stream = measure_images(
        Doubles(), model, iter(jobs), workers,
        batch_size=8, on_halving=print, on_pass=lambda: None,
    )  # fmt: skip
    with pytest.raises(ModelError, match="it broke"):
        rows.extend(row for each in stream for row in each)
    assert [row.status for row in rows] == [Status.MEASURED] * 2
