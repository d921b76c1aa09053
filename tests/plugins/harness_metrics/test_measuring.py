"""The engine's part: counting, halving, access, failures, and work in other processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.api import (
    Access,
    HarnessError,
    Later,
    Measurement,
    MeasurementResult,
    ModelError,
    Passes,
    Status,
)
from harness.engine.measurements import measure_images
from harness.engine.probe import CountingProbe
from harness.engine.workers import Workers
from harness.testing.fakes import jobs_for, linear_model, measure_all

WEIGHTS = torch.randn((4, 12), generator=torch.Generator().manual_seed(0))
IMAGES = torch.rand((3, 3, 2, 2), generator=torch.Generator().manual_seed(1))


def doubled(value: float) -> MeasurementResult:
    return MeasurementResult({"doubled": 2 * value})


def killed() -> MeasurementResult:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def killed_once(flag: str) -> MeasurementResult:
    """Kills its process, unless it has done so before."""
    if Path(flag).exists():
        return MeasurementResult({"fine": 1.0})
    Path(flag).touch()
    return killed()


def ended(code: int) -> MeasurementResult:
    os._exit(code)


def left() -> MeasurementResult:
    sys.exit("enough")


def kept() -> MeasurementResult:
    return MeasurementResult({"fine": 1.0}, problem=lambda: None)


def asleep(flag: str) -> MeasurementResult:
    Path(flag).write_text(str(os.getpid()))
    time.sleep(600)
    raise AssertionError


class Unpickled:
    """Goes on its way and never arrives."""

    def __reduce__(self):
        return sys.exit, ("at the border",)


class Slopes(Measurement):
    def measure(self, probe, subject):
        _, lengths = probe.slopes(
            subject.image.expand(5, -1, -1, -1), [(0, 1), (2, 3)], lambda each: each.flatten(1)
        )
        expected = torch.stack((WEIGHTS[0] - WEIGHTS[1], WEIGHTS[2] - WEIGHTS[3]))
        return MeasurementResult({"off": float((lengths - expected).abs().max())})


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
        return MeasurementResult({"fine": 1.0, "poor": float("nan")})


class Given(Measurement):
    """The later part of each image is one of ``parts``."""

    parts: tuple[Any, ...]

    def measure(self, probe, subject):
        return Later(*self.parts[int(subject.seed)])


class Greedy(Measurement):
    access = Access.SCORES

    def measure(self, probe, subject):
        probe.gradient(subject.image[None], lambda logits: logits[:, 0])
        return MeasurementResult()


@pytest.fixture
def model():
    return linear_model(WEIGHTS, torch.zeros(4), size=(2, 2))


@pytest.mark.parametrize("size", [1, 2, 64])
def test_slopes_are_counted_and_right_in_any_batches(model, workers, size):
    jobs = jobs_for(model, IMAGES, [None] * 3)
    for row in measure_all(Slopes(), model, jobs, workers, batch_size=size):
        assert row.numbers["off"] < 1e-6
        assert row.passes == Passes(5, 10)


def test_what_comes_later_belongs_to_its_image(model, workers):
    rows = measure_all(Doubles(), model, jobs_for(model, IMAGES, [None] * 3), workers)
    logits = model.predict(IMAGES)[:, 0].tolist()
    assert [row.numbers["doubled"] for row in rows] == pytest.approx([2 * one for one in logits])


def test_each_failure_is_its_images_own(model):
    with Workers(1) as workers:
        jobs = jobs_for(model, IMAGES, [None] * 3)
        one, two, three = measure_all(Faulty(), model, jobs, workers)
        assert one.status is two.status is Status.ERROR
        assert one.error.endswith("later part ended its process twice (killed by SIGKILL)")
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
    differentiated, halvings = model.differentiated, []

    def small(images):
        if len(images) > 2:
            raise torch.OutOfMemoryError("too large")
        return differentiated(images)

    monkeypatch.setattr(model, "differentiated", small)
    stream = measure_images(
        Slopes(), model, iter(jobs_for(model, IMAGES, [None] * 3)), workers,
        batch_size=8, on_halving=halvings.append, on_pass=lambda: None,
    )  # fmt: skip
    rows = [row for rows in stream for row in rows]
    assert halvings == [4, 2]
    assert [row.passes.forwards for row in rows] == [5, 5, 5]
    assert all(row.numbers["off"] < 1e-6 for row in rows)
    tripled = lambda images: small(images.repeat(3, 1, 1, 1))  # noqa: E731
    monkeypatch.setattr(model, "differentiated", tripled)
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


def test_a_process_that_dies_costs_no_reading(model, tmp_path):
    flags = [str(tmp_path / name) for name in "abc"]
    lost = Given(parts=[(killed_once, (flag,)) for flag in flags])
    with Workers(2) as workers:
        rows = measure_all(lost, model, jobs_for(model, IMAGES, [None] * 3), workers)
    assert [(row.status, row.error) for row in rows] == [(Status.MEASURED, None)] * 3


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ((ended, (7,)), "ended its process twice (exit code 7)"),
        ((left, ()), "raised: SystemExit: enough"),
        ((doubled, (Unpickled(),)), "cannot be unpickled: SystemExit: at the border"),
        ((doubled, (lambda: None,)), "cannot be pickled: "),
        ((kept, ()), "returned what cannot be pickled: "),
        ((Unpickled, ()), "returned what cannot be unpickled: SystemExit: at the border"),
    ],
)
def test_a_later_part_is_its_images_own_affair(model, workers, part, told):
    jobs = jobs_for(model, IMAGES[:2], [None] * 2)
    bad, good = measure_all(Given(parts=[part, (doubled, (1.0,))]), model, jobs, workers)
    assert bad.status is Status.ERROR
    assert told in bad.error
    assert good.numbers == {"doubled": 2.0}


def stopped_once(flag: str) -> MeasurementResult:
    if not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    return MeasurementResult({"doubled": 2.0})


def test_a_process_that_is_stopped_costs_no_reading(model, tmp_path):
    halted = Given(parts=[(stopped_once, (str(tmp_path / "a"),))])
    with Workers(1, silence=5) as workers:
        (row,) = measure_all(halted, model, jobs_for(model, IMAGES[:1], [None]), workers)
    assert (row.status, row.error) == (Status.MEASURED, None)


def test_no_process_outlives_the_block_whatever_it_does(model, tmp_path):
    flag = tmp_path / "asleep"
    with Workers(1) as workers:
        result = workers.submit(Later(asleep, (str(flag),)))
        while not (flag.exists() and flag.read_text()):
            time.sleep(0.01)
    assert not Path("/proc", flag.read_text()).exists()
    with pytest.raises(HarnessError, match="ended"):
        result.result(timeout=10)
