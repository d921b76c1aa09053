"""What a goal asks of images: their target classes, or why there is nothing to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from harness.api import CleanPrediction, ImageKey, Status
from harness.api.goal import NO_TARGET
from harness.planning import Cell

Skipped = tuple[str, Status, str | None]
"""(image, status, error): the result of an image that needs no work."""


def assign_targets(
    cell: Cell,
    ids: Collection[str],
    keys: Mapping[str, ImageKey],
    clean: Mapping[ImageKey, CleanPrediction],
) -> tuple[dict[str, int | None], list[Skipped]]:
    """The target class of each of the ``cell``'s images to work on, and the other images.

    Args:
        keys: the images' keys by their ids.
        clean: the model's clean predictions.
    """
    wanted: dict[str, int | None] = {}
    others: list[Skipped] = []
    for image in ids:
        label = keys[image].label
        prediction = clean.get(keys[image])
        if prediction is None or prediction.predicted is None:
            reason = prediction.error if prediction else "the model could not be evaluated"
            others.append((image, Status.ERROR, f"no clean prediction: {reason}"))
        elif prediction.predicted != label:
            others.append((image, Status.CLEAN_WRONG, None))
        elif (target := _target(cell, prediction)) == label:
            others.append((image, Status.ERROR, NO_TARGET))
        else:
            wanted[image] = target
    return wanted, others


def _target(cell: Cell, clean: CleanPrediction) -> int | None:
    assert cell.goal is not None
    assert cell.seed is not None
    classes = cell.model.identity["classes"]
    return cell.goal.target(clean, seed=cell.seed, dataset=cell.dataset.name, classes=classes)
