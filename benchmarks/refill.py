"""What continuous batching is worth: the slot engine against fixed batches of the same attack."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from measure import Measured, Passes, interleaved
from subjects import Subject

from harness.api import Point, Slots, SteppedAttack
from harness.engine.jobs import Job, to_batch
from harness.engine.slots import SlotEngine, evaluate


class Recorded(SlotEngine):
    """The engine, with the share of busy rows of each evaluation written down."""

    def _count(self, point: Point) -> None:
        super()._count(point)
        busy = self._occupied & ~self._stepper.finished
        SHARES.append((int(busy.sum()), len(busy)))


SHARES: list[tuple[int, int]] = []
"""(busy rows, rows) of each evaluation of the latest run."""


def refilled(attack: SteppedAttack, subject: Subject) -> Iterator[None]:
    SHARES.clear()

    def work() -> None:
        for _ in Recorded(
            attack, subject.model, iter(subject.jobs), slots=subject.batch, eight_bit=False
        ).run():
            pass

    yield from subject.network.turns.sliced(work, Passes())


def fixed(attack: SteppedAttack, subject: Subject) -> Iterator[None]:
    """Each batch goes on until its last image is done; nobody takes a free place."""

    def work() -> None:
        jobs = subject.jobs
        for start in range(0, len(jobs), subject.batch):
            _one_batch(attack, subject, jobs[start : start + subject.batch])

    yield from subject.network.turns.sliced(work, Passes())


def _one_batch(attack: SteppedAttack, subject: Subject, jobs: list[Job]) -> None:
    model = subject.model
    slots = Slots(len(jobs), model.shape, model.classes, model.device, model.memory_format)
    stepper = attack.stepper(slots)
    stepper.load(torch.arange(len(jobs)), to_batch(jobs, device=model.device))
    while not stepper.finished.all():
        evaluate(stepper, model, stepper.point())


def compare(
    attack: SteppedAttack, subject: Subject, *, repeats: int
) -> tuple[Measured, Measured, list[float]]:
    """Seconds with refill and in fixed batches, and the busy share in each tenth of the rounds."""
    results = interleaved(
        {"refilled": lambda: refilled(attack, subject), "fixed": lambda: fixed(attack, subject)},
        repeats=repeats,
    )
    tenth = max(1, len(SHARES) // 10)
    parts = [SHARES[start : start + tenth] for start in range(0, 10 * tenth, tenth)]
    shares = [sum(busy for busy, _ in part) / sum(rows for _, rows in part) for part in parts]
    return results["refilled"], results["fixed"], shares
