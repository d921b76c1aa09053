"""Measure a stream of images; what needs no model is computed while the device works."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import torch

from harness.api import (
    Later,
    Measured,
    Measurement,
    MeasurementResult,
    ModelError,
    Passes,
    PluginError,
    Status,
    Subject,
)
from harness.contained import cause, contained
from harness.engine.classifier import PixelClassifier
from harness.engine.device import sent
from harness.engine.guard import Guard
from harness.engine.jobs import Job
from harness.engine.probe import CountingProbe
from harness.engine.remainder import worked_out
from harness.engine.values import checked_result, checked_results
from harness.engine.workers import Workers
from harness.overdue import overseer

WHO = "the measurement"

NOT_FINITE = "not finite"
"""How the problem begins of an image whose measurement sees none in its own numbers."""

AHEAD = 2
"""How many images a worker may be behind the device."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job
    passes: Passes
    result: Future[MeasurementResult]

    def finished(self) -> Measured:
        try:
            with overseer.aside(), contained(WHO):  # it has a limit of its own
                result = checked_result(self.result.result())
            if isinstance(result, Later):
                raise PluginError("a measurement's Later returned a Later, not a MeasurementResult")
        except Exception as error:
            return _failed(self.job, self.passes, error)
        return _measured(self.job, self.passes, result)


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
) -> Iterator[list[Measured]]:
    """Yields images as they finish.

    ``batch_size`` is halved when the device runs out of memory, and ``on_halving`` is called with
    the new size; ``on_call`` is called with the jobs that the measurement works on. Where it
    raises, that image alone has no result (status ``error``).

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
            done: list[Measured] = []
            for job, passes, result in _results(measurement, model, probe, group, guard):
                if isinstance(result, Exception):
                    done.append(_failed(job, passes, result))
                elif isinstance(result, Later):
                    waiting.append(_Waiting(job, passes, _submitted(result, workers)))
                else:
                    done.append(_measured(job, passes, result))
            if done:
                yield done
            while waiting and (waiting[0].result.done() or len(waiting) > AHEAD * workers.count):
                yield [waiting.popleft().finished()]
    except ModelError:
        yield [each.finished() for each in waiting]
        raise
    while waiting:
        yield [waiting.popleft().finished()]


def _groups(jobs: Iterator[Job], measurement: Measurement, batch_size: int) -> Iterator[list[Job]]:
    """As many images at a time as may share a pass."""
    count = 1 if measurement.rows is None else max(1, batch_size // measurement.rows)
    while group := list(itertools.islice(jobs, count)):
        yield group


def _results(
    measurement: Measurement,
    model: PixelClassifier,
    probe: CountingProbe,
    group: Sequence[Job],
    guard: Guard,
) -> list[tuple[Job, Passes, MeasurementResult | Later | Exception]]:
    """The group's results. Where it fails, its images are measured one by one."""
    probe.begin()
    subjects = [_subject(job, model.device) for job in group]
    results: Sequence[MeasurementResult | Later | Exception]
    guard.on_call(group)
    try:
        with guard.around():
            if len(group) > 1:
                found = measurement.measure_together(probe, subjects)
                results = checked_results(found, len(group))
            else:
                results = [checked_result(measurement.measure(probe, subjects[0]))]
    except ModelError:
        raise
    except Exception as error:
        if len(group) > 1:
            alone = (_results(measurement, model, probe, [job], guard) for job in group)
            return [one for each in alone for one in each]
        results = [error]
    passes = Passes(probe.forwards // len(group), probe.backwards // len(group))
    return [(job, passes, result) for job, result in zip(group, results, strict=True)]


def _submitted(later: Later, workers: Workers) -> Future[MeasurementResult]:
    return workers.submit(Later(worked_out, (later.function, *later.arguments)))


def _subject(job: Job, device: torch.device) -> Subject:
    """Its images are copies: on a CPU the job's own belong to everybody who reads the dataset."""
    adversarial = None if job.adversarial is None else sent(job.adversarial.clone(), device)
    return Subject(sent(job.image.clone(), device), job.label, job.target, job.seed, adversarial)


def _measured(job: Job, passes: Passes, result: MeasurementResult) -> Measured:
    problem = result.problem and " ".join(result.problem.split())
    wrong = [name for name, value in result.numbers.items() if not math.isfinite(value)]
    if wrong and not problem:
        problem = f"{NOT_FINITE}: {', '.join(wrong)}"
    return Measured(
        image_id=job.image_id,
        target=job.target,
        status=Status.INVALID if problem else Status.MEASURED,
        passes=passes,
        numbers=result.numbers,
        arrays=result.arrays,
        error=problem,
    )


def _failed(job: Job, passes: Passes, error: Exception) -> Measured:
    return Measured(
        image_id=job.image_id,
        target=job.target,
        status=Status.ERROR,
        passes=passes,
        error=cause(WHO, error),
    )
