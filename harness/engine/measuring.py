"""Measure a stream of images, one at a time; what needs no model goes on beside the device."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from harness.api import HarnessError, Later, Measurement, ModelError, Reading, Status, Subject
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job
from harness.engine.probe import CountingProbe
from harness.engine.workers import Workers

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
    result: Future[Reading]

    def finished(self) -> Finished:
        try:
            reading = self.result.result()
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
) -> Iterator[list[Finished]]:
    """Yields images as they finish.

    ``batch_size`` is halved when the device runs out of memory, and ``on_halving`` hears of the new
    size. A measurement that raises costs its image the reading (status ``error``), nobody else's.

    Raises:
        ModelError: the model itself fails.
    """
    probe = CountingProbe(
        model, measurement, size=batch_size, on_halving=on_halving, on_pass=on_pass
    )
    waiting: deque[_Waiting] = deque()
    try:
        for job in jobs:
            probe.begin()
            subject = Subject(job.image.to(model.device), job.label, job.target, job.seed)
            try:
                reading = measurement.measure(probe, subject)
            except ModelError:
                raise
            except Exception as error:
                yield [_failed(job, probe.forwards, probe.backwards, error)]
                continue
            passes = (probe.forwards, probe.backwards)
            if isinstance(reading, Later):
                waiting.append(_Waiting(job, *passes, workers.submit(reading)))
            else:
                yield [_judged(job, *passes, reading)]
            while waiting and (waiting[0].result.done() or len(waiting) > AHEAD * workers.count):
                yield [waiting.popleft().finished()]
    except ModelError:
        yield [each.finished() for each in waiting]
        raise
    while waiting:
        yield [waiting.popleft().finished()]


def _judged(job: Job, forwards: int, backwards: int, reading: Reading) -> Finished:
    problem = reading.problem
    wrong = [name for name, value in reading.numbers.items() if not math.isfinite(value)]
    if wrong and not problem:
        problem = f"not finite: {', '.join(wrong)}"
    status = Status.INVALID if problem else Status.MEASURED
    return Finished(job, status, forwards, backwards, reading.numbers, reading.arrays, problem)


def _failed(job: Job, forwards: int, backwards: int, error: Exception) -> Finished:
    cause = f"the measurement raised {type(error).__name__}: {error}"
    if isinstance(error, HarnessError):
        cause = str(error)
    return Finished(job, Status.ERROR, forwards, backwards, error=" ".join(cause.split()))
