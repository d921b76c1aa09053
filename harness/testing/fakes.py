"""Small models with closed forms, and streams of jobs for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from harness.api import AttackParameters, Classifier, Preprocessing
from harness.engine.attack import attack_images
from harness.engine.classifier import PixelClassifier
from harness.engine.jobs import Job, Judged


def linear_model(weights: Tensor, bias: Tensor, *, size: tuple[int, int]) -> PixelClassifier:
    """logits = weights @ pixels + bias; ``weights`` is (classes, 3 * height * width)."""
    layer = nn.Linear(weights.shape[1], weights.shape[0])
    layer.weight.data, layer.bias.data = weights.float(), bias.float()
    return pixel_model(nn.Sequential(nn.Flatten(), layer), classes=len(bias), size=size)


def pixel_model(network: nn.Module, *, classes: int, size: tuple[int, int]) -> PixelClassifier:
    """``network`` on the CPU, taking pixels in [0, 1] as they are."""
    classifier = Classifier(network, Preprocessing(size), classes)
    return PixelClassifier(classifier, device=torch.device("cpu"), fold_batch_norm=True)


def jobs_for(model: PixelClassifier, images: Tensor, targets: Sequence[int | None]) -> list[Job]:
    """A job an image, labelled with the model's own prediction; ids are "0", "1", ..."""
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
