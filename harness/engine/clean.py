"""Clean predictions: what a model predicts before any attack, once per model and dataset."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from harness.api import CleanPrediction, look, margin
from harness.api.records import LIKELIEST
from harness.engine.classifier import PixelClassifier
from harness.engine.device import sent
from harness.engine.halving import BatchSize


def predict_clean(
    model: PixelClassifier,
    images: Iterator[tuple[str, Tensor, int]],
    *,
    batch_size: int,
    on_halving: Callable[[int], None],
) -> Iterator[list[CleanPrediction]]:
    """Predictions for triples, in batches: id, float32 (channels, height, width), label.

    Raises:
        ModelError: the model fails, or has no memory for a single image.
    """
    size = BatchSize(batch_size, model.device, on_halving)
    while batch := list(itertools.islice(images, size.images)):
        yield from size.parts(partial(_predict, model), batch)


def _predict(
    model: PixelClassifier, rows: Sequence[tuple[str, Tensor, int]]
) -> list[CleanPrediction]:
    images = sent(torch.stack([image for _, image, _ in rows]), model.device)
    logits = look(model.predict(images.contiguous(memory_format=model.memory_format)))
    labels = torch.tensor([label for _, _, label in rows])
    known = ((labels >= 0) & (labels < model.classes)).tolist()
    labels = labels.clamp(0, model.classes - 1)
    sane = logits.isfinite().all(1).tolist()
    likeliest = _likeliest(logits)
    least = logits.argmin(1).tolist()
    margins = margin(logits, labels, torch.ones_like(labels, dtype=torch.bool)).tolist()
    found = []
    for row, (image_id, _, label) in enumerate(rows):
        error = None
        if not known[row]:
            error = f"its label {label} is not one of the model's {model.classes} classes"
        elif not sane[row]:
            error = "the model returned NaN or infinity"
        if error is not None:
            found.append(CleanPrediction(image_id, label, error=error))
            continue
        found.append(
            CleanPrediction(
                image_id,
                label,
                predicted=likeliest[row][0],
                margin=margins[row],
                least=least[row],
                second=likeliest[row][1],
                likeliest=likeliest[row],
            )
        )
    return found


def _likeliest(logits: Tensor) -> list[tuple[int, ...]]:
    """The most likely classes of each row.

    The first two apart: where logits are equal, the order of `topk` depends on its ``k``, and what
    is stored of earlier runs must come out again.
    """
    first = logits.topk(2, dim=1).indices
    more = min(LIKELIEST, logits.shape[1]) - 2
    rest = logits.scatter(1, first, -torch.inf).topk(more, dim=1).indices
    return [tuple(row) for row in torch.cat((first, rest), dim=1).tolist()]
