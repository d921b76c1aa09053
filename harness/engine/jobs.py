"""What goes into the engine and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.api import Batch, Status
from harness.engine.device import pinned


@dataclass(frozen=True, slots=True)
class Job:
    """One image to attack for one goal.

    Attributes:
        cell: the key of its cell.
        image_id: the image's id within the data set.
        image: float32 (3, height, width) in [0, 1], on the host.
        label: the true class.
        target: the class to reach, or None for untargeted.
        seed: of the attack's random numbers for this image.
        adversarial: like ``image``, for a measurement that starts from an attack's candidate.
    """

    cell: str
    image_id: str
    image: Tensor
    label: int
    target: int | None
    seed: int
    adversarial: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Rounded:
    """The verdict on a candidate rounded to 8 bits: ``robust`` or ``broken``, and the margin."""

    status: Status
    predicted: int
    margin: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One finished image with the harness's own verdict; norms in pixel space.

    ``candidate`` is the adversarial image on the host, None where there is none. ``rounded`` is
    None where that was not asked for, and where the candidate itself is neither robust nor broken.
    """

    job: Job
    status: Status
    forwards: int
    backwards: int
    predicted: int | None = None
    margin: float | None = None
    confident: bool = False
    linf: float | None = None
    l2: float | None = None
    l1: float | None = None
    l0: int | None = None
    numbers: Mapping[str, float] | None = None
    candidate: Tensor | None = None
    rounded: Rounded | None = None
    error: str | None = None

    @property
    def is_attacks_fault(self) -> bool:
        """Whether there is no valid candidate; other errors are the model's."""
        return self.status is Status.INVALID or self.candidate is None


def to_batch(jobs: Sequence[Job], *, device: torch.device) -> Batch:
    """The jobs as a `Batch` on ``device``."""
    images = pinned(torch.stack([job.image for job in jobs]), device)
    return Batch(
        images=images.to(device, non_blocking=True),
        labels=torch.tensor([job.label for job in jobs], device=device),
        classes=torch.tensor(
            [job.label if job.target is None else job.target for job in jobs], device=device
        ),
        targeted=torch.tensor([job.target is not None for job in jobs], device=device),
        seeds=tuple(job.seed for job in jobs),
    )


def filled(jobs: Sequence[Job], rows: int) -> list[Job]:
    """``jobs`` and copies of the last one, ``rows`` in all."""
    return [*jobs, *[jobs[-1]] * (rows - len(jobs))]


def failed(job: Job, error: str) -> Judged:
    """The record of an image whose attack did not come to an end."""
    return Judged(job, Status.ERROR, forwards=0, backwards=0, error=error)
