"""An attack under test: run through the engine, on toy models, with all that it returns seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from harness.api import Again, Attack, AttackParameters, Goal, Slots, SteppedAttack, Stepper
from harness.api.examples import AttackExample
from harness.engine import batches, slots, values
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job, Judged, to_batch
from harness.plugins import Kind
from harness.resolve.components import attack_of
from harness.resolve.parameters import ParameterSpec
from harness.testing.conformance import toys
from harness.testing.conformance.component import Component
from harness.testing.conformance.rule import Broken, NotChecked
from harness.testing.fakes import attack_all

BATCH = 4
"""Fewer than there are images: slots are refilled, and a second batch is smaller."""


@dataclass(frozen=True, slots=True)
class Attacked:
    """What an attack did: the engine's verdicts, and its own values as they were returned."""

    judged: Sequence[Judged]
    returned: Sequence[Any]

    @property
    def errors(self) -> list[str]:
        """Why images have no verdict, or none that counts."""
        return [each.outcome.error for each in self.judged if each.outcome.error is not None]

    @property
    def images(self) -> Tensor:
        """The candidates; Broken where one is missing."""
        found = [each.candidate for each in self.judged]
        if any(each is None for each in found):
            raise Broken(self.errors[0])
        return torch.stack([each for each in found if each is not None])


class AttackSubject:
    """The attack of a `Component`, and what the rules ask of it."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @cached_property
    def example(self) -> AttackExample:
        return self.component.example(AttackExample) or AttackExample()

    def made(self, parameters: Any, preset: str | None = None) -> AttackParameters:
        """The attack with these parameters, as a suite makes it; HarnessError where none."""
        name = self.component.registration.name
        spec = ParameterSpec(Kind.ATTACK, name, "conformance", (), parameters, preset)
        return attack_of(spec, self.component.registration)[1]

    @cached_property
    def attack(self) -> AttackParameters:
        return self.made(self.example.parameters)

    @property
    def stepped(self) -> SteppedAttack:
        """NotChecked for attacks on whole batches."""
        if not isinstance(self.attack, SteppedAttack):
            raise NotChecked("it is no stepped attack")
        return self.attack

    @property
    def whole(self) -> Attack:
        """NotChecked for stepped attacks and composites: these never see the model."""
        if not isinstance(self.attack, Attack):
            raise NotChecked("it is no attack on whole batches, which sees the model")
        return self.attack

    @property
    def goal(self) -> Goal:
        """The first one that it declares."""
        return next(goal for goal in Goal if goal in self.attack.goals)

    @cached_property
    def ordinary(self) -> Attacked:
        """Its first goal on a linear model of four classes."""
        return self.run(toys.linear(), toys.jobs(toys.linear(), self.goal))

    @cached_property
    def on_constant(self) -> Attacked:
        return self.run(toys.constant(), toys.jobs(toys.constant(), self.goal))

    def run(
        self,
        model: PixelClassifier,
        jobs: Sequence[Job],
        *,
        attack: AttackParameters | None = None,
        batch: int = BATCH,
    ) -> Attacked:
        """Through the engine."""
        with recorded() as returned:
            judged = attack_all(attack or self.attack, model, jobs, batch_size=batch)
        return Attacked(judged, returned)


def subject(component: Component) -> AttackSubject:
    return AttackSubject(component)


@contextmanager
def recorded() -> Iterator[list[Any]]:
    """Whatever attacks return meanwhile, before the engine checks it."""
    seen: list[Any] = []

    def recording(value: object, rows: int, shape: Sequence[int]) -> Any:
        seen.append(value)
        return values.checked_candidates(value, rows, shape)

    with (
        patch.object(batches, "checked_candidates", recording),
        patch.object(slots, "checked_candidates", recording),
    ):
        yield seen


def pixels(value: Any) -> Tensor:
    """The images of what an attack returned."""
    found: Tensor = getattr(value, "images", value)
    return found


def same(one: Attacked, other: Attacked, tolerance: float = 0.0) -> str | None:
    """How the results of the same images differ; None: they do not."""
    for mine, its in zip(one.judged, other.judged, strict=True):
        if mine.outcome.status is not its.outcome.status:
            return f"image {mine.job.image_id} is {mine.outcome.status}, then {its.outcome.status}"
    difference = float((one.images - other.images).abs().max())
    return f"pixels differ by up to {difference:.2g}" if difference > tolerance else None


ROUNDS = 100_000
"""More than any attack with a sensible example takes."""


def finished_rows(
    attack: SteppedAttack, goal: Goal, *, reused: bool = False
) -> Iterator[tuple[Stepper, Tensor]]:
    """The stepper and its finished rows at first and after each round, and a few rounds longer.

    Args:
        reused: the slots have held other images, stopped after two rounds, and within rounds the
            stepper is asked for results.
    """
    model = toys.linear()
    jobs = toys.jobs(model, goal)
    room = Slots(len(jobs), model.shape, model.classes, model.device, model.memory_format)
    stepper, rows = attack.stepper(room), torch.arange(len(jobs))

    def ask(more: Again | None) -> None:
        if reused:
            stepper.result(rows)

    def evaluate() -> None:
        point = stepper.point()
        ask(None)
        slots.evaluate(stepper, model, point, count=ask)

    if reused:
        stepper.load(rows, to_batch(jobs[::-1], device=model.device))
        evaluate()
        evaluate()
    stepper.load(rows, to_batch(jobs, device=model.device))
    yield stepper, stepper.finished.clone()
    further = 3
    for _ in range(ROUNDS):
        evaluate()
        yield stepper, stepper.finished.clone()
        further -= bool(stepper.finished.all())
        if not further:
            return
    raise Broken(f"after {ROUNDS:,} rounds images are left")
