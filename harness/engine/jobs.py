"""What goes into the engine and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.api import Batch, Outcome, Status, Verdict
from harness.engine.device import sent


@dataclass(frozen=True, slots=True)
class Job:
    """One image to attack for one goal.

    Attributes:
        cell: the key of its cell.
        image_id: the image's id within the dataset.
        image: float32 (channels, height, width) in [0, 1], on the host.
        label: the true class.
        target: the class to reach, or None for untargeted.
        seed: of the attack's random numbers for this image.
        adversarial: like ``image``, for a measurement that starts from an attack's candidate.
        budget: the most forward and backward passes of an attack for it; None: no bound.
    """

    cell: str
    image_id: str
    image: Tensor
    label: int
    target: int | None
    seed: int
    adversarial: Tensor | None = None
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """One finished image.

    Attributes:
        outcome: the harness's own verdict, and what it took.
        candidate: the adversarial image on the host; None where there is none.
    """

    job: Job
    outcome: Outcome
    candidate: Tensor | None = None

    @property
    def is_attacks_fault(self) -> bool:
        """Whether there is no valid candidate; other errors are the model's."""
        return self.outcome.status is Status.INVALID or self.candidate is None


def to_batch(jobs: Sequence[Job], *, device: torch.device) -> Batch:
    """The jobs as a `Batch` on ``device``."""
    classes = [job.label if job.target is None else job.target for job in jobs]
    return Batch(
        images=sent(torch.stack([job.image for job in jobs]), device),
        labels=sent(torch.tensor([job.label for job in jobs]), device),
        classes=sent(torch.tensor(classes), device),
        targeted=sent(torch.tensor([job.target is not None for job in jobs]), device),
        seeds=tuple(job.seed for job in jobs),
    )


def filled(jobs: Sequence[Job], rows: int) -> list[Job]:
    """``jobs`` and copies of the last one, ``rows`` in all."""
    return [*jobs, *[jobs[-1]] * (rows - len(jobs))]


def failed(job: Job, error: str) -> Judged:
    """The record of an image whose attack did not finish."""
    outcome = Outcome(
        image_id=job.image_id,
        label=job.label,
        target=job.target,
        verdict=Verdict(Status.ERROR),
        error=error,
    )
    return Judged(job, outcome)
