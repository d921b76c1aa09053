"""A measurement under test: run through the engine, on toy models, its later work here."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from harness.api import Goal, Later, Measured, Measurement, MeasurementResult, Status
from harness.api.examples import MeasurementExample
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job
from harness.engine.workers import Workers
from harness.plugins import Kind
from harness.resolve.components import measurement_of
from harness.resolve.parameters import ParameterSpec
from harness.testing.conformance import toys
from harness.testing.conformance.component import Component
from harness.testing.fakes import measure_all


class Here(Workers):
    """Work that needs no model, done at once; it travels all the same."""

    def submit(self, later: Later) -> Future[MeasurementResult]:
        done: Future[MeasurementResult] = Future()
        try:
            function, arguments = pickle.loads(pickle.dumps((later.function, later.arguments)))
            done.set_result(pickle.loads(pickle.dumps(function(*arguments))))
        except BaseException as error:
            done.set_exception(error)
        return done


class MeasurementSubject:
    """The measurement of a `Component`, and what the rules ask of it."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @cached_property
    def example(self) -> MeasurementExample:
        return self.component.example(MeasurementExample) or MeasurementExample()

    def made(self, parameters: Any, preset: str | None = None) -> Measurement:
        """The measurement with these parameters, as a suite makes it; HarnessError where none."""
        name = self.component.registration.name
        spec = ParameterSpec(Kind.MEASUREMENT, name, "conformance", (), parameters, preset)
        return measurement_of(spec, self.component.registration)[1]

    @cached_property
    def measurement(self) -> Measurement:
        return self.made(self.example.parameters)

    @property
    def goal(self) -> Goal:
        """The first one that it declares."""
        return next(goal for goal in Goal if goal in self.measurement.goals)

    def jobs(self, model: PixelClassifier, goal: Goal | None = None, *, seed: int = 0) -> list[Job]:
        """Images, with candidates as an attack leaves them where the measurement starts there."""
        found = toys.jobs(model, goal or self.goal, seed=seed)
        if self.measurement.starts_from is None:
            return found
        return [replace(job, adversarial=(job.image + 0.1).clamp(0, 1)) for job in found]

    @cached_property
    def ordinary(self) -> list[Measured]:
        """Its first goal on a linear model of four classes."""
        return self.run(toys.linear(), self.jobs(toys.linear()))

    @cached_property
    def on_constant(self) -> list[Measured]:
        return self.run(toys.constant(), self.jobs(toys.constant()))

    @cached_property
    def on_nan(self) -> list[Measured]:
        return self.run(toys.nan(), self.jobs(toys.nan()))

    def run(
        self, model: PixelClassifier, jobs: Sequence[Job], *, batch: int = 64
    ) -> list[Measured]:
        """Through the engine."""
        with Here(1) as workers:
            return measure_all(self.measurement, model, jobs, workers, batch_size=batch)


def subject(component: Component) -> MeasurementSubject:
    return MeasurementSubject(component)


def difference(
    one: Sequence[Measured], other: Sequence[Measured], tolerance: float = 0.0
) -> str | None:
    """How the results of the same images differ; None: they do not."""
    for mine, its in zip(one, other, strict=True):
        where = f"image {mine.image_id}"
        if mine.status is not its.status:
            return f"{where} is {mine.status}, then {its.status}"
        if mine.numbers.keys() != its.numbers.keys() or mine.arrays.keys() != its.arrays.keys():
            return f"{where} has other numbers"
        pairs: dict[str, tuple[Any, Any]] = {}
        pairs |= {name: (mine.numbers[name], its.numbers[name]) for name in mine.numbers}
        pairs |= {name: (mine.arrays[name], its.arrays[name]) for name in mine.arrays}
        for name, (first, second) in pairs.items():
            if not alike(first, second, tolerance):
                return f"{name} of {where} is {_shown(first)}, then {_shown(second)}"
    return None


def alike(one: Any, other: Any, tolerance: float) -> bool:
    """Whether numbers or arrays are the same, NaN too."""
    one, other = np.asarray(one), np.asarray(other)
    return one.shape == other.shape and bool(
        np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)
    )


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else f"an array of {len(value)}"


def measured(found: Sequence[Measured]) -> list[Measured]:
    """Those with a valid result."""
    return [each for each in found if each.status is Status.MEASURED]
