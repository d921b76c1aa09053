"""Small models with closed forms, and streams of jobs for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from harness.api import AttackParameters, Classifier, Measured, Measurement, Preprocessing
from harness.engine.batches import attack_images
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job, Judged
from harness.engine.measurements import measure_images
from harness.engine.workers import Workers


def linear_model(weights: Tensor, bias: Tensor, *, size: tuple[int, int]) -> PixelClassifier:
    """logits = weights @ pixels + bias; ``weights`` is (classes, 3 * height * width)."""
    layer = nn.Linear(weights.shape[1], weights.shape[0])
    layer.weight.data, layer.bias.data = weights.float(), bias.float()
    return pixel_model(nn.Sequential(nn.Flatten(), layer), classes=len(bias), size=size)


def pixel_model(network: nn.Module, *, classes: int, size: tuple[int, int]) -> PixelClassifier:
    """``network`` on the CPU, taking pixels in [0, 1] as they are."""
    classifier = Classifier(network, Preprocessing(size), classes)
    return PixelClassifier(classifier, device=torch.device("cpu"), fold_batch_norm=True)


class _Plane(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        margin = self.function(images.flatten(1)[:, :2])
        return torch.stack((margin, torch.zeros_like(margin)), dim=1)


def plane_model(function: Callable[[Tensor], Tensor]) -> PixelClassifier:
    """Two classes on images of 1 x 1; ``function`` of the first two values is their margin.

    The third value has no influence, so that gradients and boundaries lie in a plane.
    """
    return pixel_model(_Plane(function), classes=2, size=(1, 1))


def jobs_for(model: PixelClassifier, images: Tensor, targets: Sequence[int | None]) -> list[Job]:
    """One job per image, labelled with the model's own prediction; ids are "0", "1", ..."""
    labels = model.predict(images).argmax(1).tolist()
    return [
        Job("cell", str(row), images[row], labels[row], targets[row], seed=row)
        for row in range(len(images))
    ]


def attack_all(
    attack: AttackParameters,
    model: PixelClassifier,
    jobs: Sequence[Job],
    *,
    batch_size: int = 64,
    eight_bit: bool = False,
) -> list[Judged]:
    """Everything the engine yields for ``jobs``, in their order."""
    stream: Iterator[list[Judged]] = attack_images(
        attack,
        model,
        iter(jobs),
        batch_size=batch_size,
        on_halving=lambda size: None,
        eight_bit=eight_bit,
    )
    judged = {(row.job.cell, row.job.image_id): row for rows in stream for row in rows}
    return [judged[job.cell, job.image_id] for job in jobs]


def measure_all(
    measurement: Measurement,
    model: PixelClassifier,
    jobs: Sequence[Job],
    workers: Workers,
    *,
    batch_size: int = 64,
) -> list[Measured]:
    """Everything that is measured of ``jobs``, in their order."""
    stream = measure_images(
        measurement,
        model,
        iter(jobs),
        workers,
        batch_size=batch_size,
        on_halving=lambda size: None,
        on_pass=lambda: None,
    )
    found = {row.image_id: row for rows in stream for row in rows}
    return [found[job.image_id] for job in jobs]
