"""What a goal asks of images: their target classes, or why there is nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from harness.api import CleanPrediction, ImageKey, Status
from harness.api.goal import NO_TARGET
from harness.planning import Cell
from harness.sealed import SavedRow

RUN_FIRST = "run the attack with keep: true, then this with --retry-errors"

Skipped = tuple[str, Status, str | None]
"""(image, status, error): the result of an image that needs no work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a model's images before they are attacked or measured.

    Attributes:
        keys: of the images, by id.
        clean: the model's clean predictions.
        deadly: why an image is left out of a cell, because it has killed too many processes; None:
            it is not.
        start: the attack that a measurement starts from; ``starts``: its saved examples.
    """

    keys: Mapping[str, ImageKey]
    clean: Mapping[ImageKey, CleanPrediction]
    deadly: Callable[[tuple[str, str]], str | None]
    start: str | None = None
    starts: Mapping[ImageKey, SavedRow] = field(default_factory=dict)


def assign_targets(
    cell: Cell, ids: Iterable[str], facts: Facts
) -> tuple[dict[str, int | None], list[Skipped]]:
    """The target class of each of the ``cell``'s images to work on, and the other images."""
    wanted: dict[str, int | None] = {}
    others: list[Skipped] = []
    for image in ids:
        label = facts.keys[image].label
        prediction = facts.clean.get(facts.keys[image])
        if prediction is None or prediction.predicted is None:
            reason = prediction.error if prediction else "the model could not be evaluated"
            others.append((image, Status.ERROR, f"no clean prediction: {reason}"))
        elif prediction.predicted != label:
            others.append((image, Status.CLEAN_WRONG, None))
        elif (target := _target(cell, prediction)) == label:
            others.append((image, Status.ERROR, NO_TARGET))
        elif why := facts.deadly((cell.key, image)):
            others.append((image, Status.ERROR, why))
        elif facts.start is not None and facts.keys[image] not in facts.starts:
            why = f"no saved example of {facts.start}; {RUN_FIRST}"
            others.append((image, Status.ERROR, why))
        else:
            wanted[image] = target
    return wanted, others


def _target(cell: Cell, clean: CleanPrediction) -> int | None:
    assert cell.goal is not None
    assert cell.seed is not None
    if cell.task is not None and clean.image_id in cell.task.targets:
        return cell.task.targets[clean.image_id]
    classes = cell.model.identity["classes"]
    return cell.goal.target(clean, seed=cell.seed, dataset=cell.dataset.name, classes=classes)
