"""Measure a stream of images; what needs no model goes on beside the device."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import torch

from harness.api import (
    Later,
    Measurement,
    MeasurementResult,
    ModelError,
    PluginError,
    Status,
    Subject,
)
from harness.contained import cause, contained
from harness.engine.classifier import PixelClassifier
from harness.engine.guard import Guard
from harness.engine.jobs import Job
from harness.engine.probe import CountingProbe
from harness.engine.remainder import worked_out
from harness.engine.values import checked_reading, checked_readings
from harness.engine.workers import Workers

WHO = "the measurement"

AHEAD = 2
"""How many images a worker may be behind the device."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One measured image; ``error`` says why the status is ``invalid`` or ``error``."""

    job: Job
    status: Status
    forwards: int
    backwards: int
    numbers: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job
    forwards: int
    backwards: int
    result: Future[MeasurementResult]

    def finished(self) -> Finished:
        try:
            with contained(WHO):
                reading = checked_reading(self.result.result())
            if isinstance(reading, Later):
                raise PluginError("a measurement's Later returned a Later, not a MeasurementResult")
        except Exception as error:
            return _failed(self.job, self.forwards, self.backwards, error)
        return _judged(self.job, self.forwards, self.backwards, reading)


def measure_images(
    measurement: Measurement,
    model: PixelClassifier,
    jobs: Iterator[Job],
    workers: Workers,
    *,
    batch_size: int,
    on_halving: Callable[[int], None],
    on_pass: Callable[[], None],
    on_call: Callable[[Sequence[Job]], None] = lambda jobs: None,
) -> Iterator[list[Finished]]:
    """Yields images as they finish.

    ``batch_size`` is halved when the device runs out of memory, and ``on_halving`` hears of the new
    size; ``on_call`` hears which jobs the measurement has in its hands. One that raises costs its
    image the reading (status ``error``), nobody else's.

    Raises:
        ModelError: the model itself fails.
    """
    guard = Guard(WHO, model, on_call=on_call)
    probe = CountingProbe(
        model, measurement, size=batch_size, on_halving=on_halving, on_pass=on_pass
    )
    waiting: deque[_Waiting] = deque()
    try:
        for group in _groups(jobs, measurement, batch_size):
            done: list[Finished] = []
            for job, passes, reading in _measured(measurement, model, probe, group, guard):
                if isinstance(reading, Exception):
                    done.append(_failed(job, *passes, reading))
                elif isinstance(reading, Later):
                    waiting.append(_Waiting(job, *passes, _submitted(reading, workers)))
                else:
                    done.append(_judged(job, *passes, reading))
            if done:
                yield done
            while waiting and (waiting[0].result.done() or len(waiting) > AHEAD * workers.count):
                yield [waiting.popleft().finished()]
    except ModelError:
        yield [each.finished() for each in waiting]
        raise
    while waiting:
        yield [waiting.popleft().finished()]


_Passes = tuple[int, int]
"""Forwards and backwards of one image."""


def _groups(jobs: Iterator[Job], measurement: Measurement, batch_size: int) -> Iterator[list[Job]]:
    """As many images at a time as may share a pass."""
    count = 1 if measurement.rows is None else max(1, batch_size // measurement.rows)
    while group := list(itertools.islice(jobs, count)):
        yield group


def _measured(
    measurement: Measurement,
    model: PixelClassifier,
    probe: CountingProbe,
    group: Sequence[Job],
    guard: Guard,
) -> list[tuple[Job, _Passes, MeasurementResult | Later | Exception]]:
    """The group's readings. Where it fails, its images are measured one by one."""
    probe.begin()
    subjects = [_subject(job, model.device) for job in group]
    readings: Sequence[MeasurementResult | Later | Exception]
    guard.on_call(group)
    try:
        with guard.around():
            if len(group) > 1:
                found = measurement.measure_together(probe, subjects)
                readings = checked_readings(found, len(group))
            else:
                readings = [checked_reading(measurement.measure(probe, subjects[0]))]
    except ModelError:
        raise
    except Exception as error:
        if len(group) > 1:
            alone = (_measured(measurement, model, probe, [job], guard) for job in group)
            return [one for each in alone for one in each]
        readings = [error]
    passes = (probe.forwards // len(group), probe.backwards // len(group))
    return [(job, passes, reading) for job, reading in zip(group, readings, strict=True)]


def _submitted(later: Later, workers: Workers) -> Future[MeasurementResult]:
    return workers.submit(Later(worked_out, (later.function, *later.arguments)))


def _subject(job: Job, device: torch.device) -> Subject:
    """Its images are copies: on a CPU the job's own belong to everybody who reads the data set."""
    adversarial = None if job.adversarial is None else job.adversarial.to(device, copy=True)
    return Subject(job.image.to(device, copy=True), job.label, job.target, job.seed, adversarial)


def _judged(job: Job, forwards: int, backwards: int, reading: MeasurementResult) -> Finished:
    problem = reading.problem and " ".join(reading.problem.split())
    wrong = [name for name, value in reading.numbers.items() if not math.isfinite(value)]
    if wrong and not problem:
        problem = f"not finite: {', '.join(wrong)}"
    status = Status.INVALID if problem else Status.MEASURED
    return Finished(job, status, forwards, backwards, reading.numbers, reading.arrays, problem)


def _failed(job: Job, forwards: int, backwards: int, error: Exception) -> Finished:
    return Finished(job, Status.ERROR, forwards, backwards, error=cause(WHO, error))
