"""Small models, images and jobs that the tests of C&W and EAD share, and a bare evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.api import Batch, Stepper
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job
from harness.testing.fakes import pixel_model

SIZE, VALUES, CLASSES = (4, 4), 48, 5


def linear(
    seed: int, classes: int, low: float, high: float, scale: float, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, bias and images of a linear classifier; ``scale`` spreads the margins."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(classes, VALUES, generator=generator)
    images = low + (high - low) * torch.rand(count, 3, *SIZE, generator=generator)
    bias = -(images.flatten(1) @ weights.T).mean(0)
    bias += scale * torch.randn(classes, generator=generator)
    return weights, bias, images


def small_network() -> PixelClassifier:
    torch.manual_seed(5)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.SiLU(), nn.Flatten(), nn.Linear(128, CLASSES)
    )
    network[3].weight.data.mul_(4)
    return pixel_model(network, classes=CLASSES, size=SIZE)


def targets(model: PixelClassifier, images: Tensor) -> list[int | None]:
    """Every second image has a target class."""
    labels = model.predict(images).argmax(1).tolist()
    return [
        (label + 1 + row % (CLASSES - 1)) % CLASSES if row % 2 else None
        for row, label in enumerate(labels)
    ]


def batch_of(job: Job) -> Batch:
    return Batch(
        images=job.image[None],
        labels=torch.tensor([job.label]),
        classes=torch.tensor([job.label if job.target is None else job.target]),
        targeted=torch.tensor([job.target is not None]),
        seeds=(0,),
    )


def evaluate(model: PixelClassifier, stepper: Stepper) -> None:
    """One evaluation at the stepper's point, as the engine would make it."""
    point = stepper.point()
    if not point.gradient:
        stepper.observe(model.predict(point.images))
        return
    images = point.images.detach().requires_grad_(True)
    logits = model.forward(images)
    cotangent = stepper.observe(logits.detach())
    stepper.step(torch.autograd.grad(logits, images, cotangent)[0])
