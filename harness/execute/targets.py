"""What a goal asks of images: their target classes, or why there is nothing to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.api import CleanPrediction, ImageKey, Status
from harness.api.goal import NO_TARGET
from harness.planning import Cell

ToAttack = tuple[Cell, str, int | None]
"""(cell, image, target): an image to work on."""
Skipped = tuple[str, Status, str | None]
"""(image, status, error): what becomes of an image without any work."""


def assign_targets(
    cell: Cell,
    ids: Sequence[str],
    images: Mapping[str, ImageKey],
    clean: Mapping[ImageKey, CleanPrediction],
    classes: int,
) -> tuple[list[ToAttack], list[Skipped]]:
    """The images of ``cell`` to work on, and the others.

    Args:
        images: the images' keys by their ids.
        clean: the model's clean predictions.
    """
    wanted: list[ToAttack] = []
    others: list[Skipped] = []
    for image_id in ids:
        label = images[image_id].label
        prediction = clean.get(images[image_id])
        if prediction is None or prediction.predicted is None:
            reason = prediction.error if prediction else "the model could not be evaluated"
            others.append((image_id, Status.ERROR, f"no clean prediction: {reason}"))
        elif prediction.predicted != label:
            others.append((image_id, Status.CLEAN_WRONG, None))
        elif (target := _target(cell, prediction, classes)) == label:
            others.append((image_id, Status.ERROR, NO_TARGET))
        else:
            wanted.append((cell, image_id, target))
    return wanted, others


def _target(cell: Cell, clean: CleanPrediction, classes: int) -> int | None:
    assert cell.goal is not None
    assert cell.seed is not None
    return cell.goal.target(clean, seed=cell.seed, dataset=cell.dataset.name, classes=classes)
