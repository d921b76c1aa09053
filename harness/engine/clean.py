"""Clean predictions: what a model predicts before any attack, once per model and dataset."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from harness.api import CleanPrediction
from harness.engine.classifier import PixelClassifier
from harness.engine.halving import BatchSize


def predict_clean(
    model: PixelClassifier,
    images: Iterator[tuple[str, Tensor, int]],
    *,
    batch_size: int,
    on_halving: Callable[[int], None],
) -> Iterator[list[CleanPrediction]]:
    """Predictions for (id, image float32 (3, height, width) in [0, 1], label) triples, in batches.

    Raises:
        ModelError: the model fails, or has no memory for a single image.
    """
    size = BatchSize(batch_size, model.device, on_halving)
    while batch := list(itertools.islice(images, size.images)):
        yield from size.parts(partial(_predict, model), batch)


def _predict(
    model: PixelClassifier, rows: Sequence[tuple[str, Tensor, int]]
) -> list[CleanPrediction]:
    images = torch.stack([image for _, image, _ in rows]).to(model.device)
    logits = model.predict(images.contiguous(memory_format=model.memory_format)).cpu()
    labels = torch.tensor([label for _, _, label in rows])[:, None]
    known = ((labels >= 0) & (labels < model.classes)).squeeze(1).tolist()
    labels = labels.clamp(0, model.classes - 1)
    sane = logits.isfinite().all(1).tolist()
    best_two = logits.topk(2, dim=1).indices.tolist()
    least = logits.argmin(1).tolist()
    own = logits.gather(1, labels).squeeze(1)
    margins = (own - logits.scatter(1, labels, -torch.inf).amax(1)).tolist()
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
        first, second = best_two[row]
        found.append(
            CleanPrediction(
                image_id,
                label,
                predicted=first,
                margin=margins[row],
                least=least[row],
                second=second,
            )
        )
    return found
