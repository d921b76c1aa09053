"""Shards: work that a worker does without asking anybody, and how pending work is cut into them.

A shard is a model and a task: its clean predictions, an attack with all its goals, a measurement,
or saved adversarial examples to predict. It is frozen, picklable and small: images by their ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.api import ImageKey
from harness.identity import image_seed
from harness.planning import Adaptation, Cell
from harness.sealed import SavedRow

CellImage = tuple[str, str]
"""(cell key, image id)."""


@dataclass(frozen=True, slots=True)
class CleanTask:
    """Predict images, before any attack."""

    images: tuple[ImageKey, ...]


@dataclass(frozen=True, slots=True)
class Assigned:
    """An image to attack or measure for one goal.

    Attributes:
        target: the class to reach; None for untargeted.
        start: the adversarial example that a measurement starts from.
    """

    cell: str
    image: str
    label: int
    target: int | None
    seed: int
    start: SavedRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackTask:
    """Attack images, for several goals side by side.

    Attributes:
        attack: its label.
        keep: whether the candidates are to be saved.
        budget: the most forward and backward passes of an image; None: no bound.
    """

    attack: str
    eight_bit: bool
    keep: bool
    budget: int | None = None
    images: tuple[Assigned, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementTask:
    """Measure images."""

    cell: str
    measurement: str
    images: tuple[Assigned, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A saved adversarial example of some model, to be predicted by another one.

    Attributes:
        goal: the class whose rank is asked for.
        verdict: the class that its own model predicted.
    """

    saved: SavedRow
    goal: int
    verdict: int


@dataclass(frozen=True, slots=True)
class ShownSet:
    """Adversarial examples that are adapted alike; ``own``: those of the model itself."""

    own: bool
    adaptation: Adaptation
    rows: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class ShownClean:
    """Clean images as the model called ``source`` reads them."""

    source: str
    adaptation: Adaptation
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TransferTask:
    """Predict what was made for other models."""

    sets: tuple[ShownSet, ...]
    clean: tuple[ShownClean, ...]

    @property
    def images(self) -> int:
        return sum(len(each.rows) for each in self.sets) + sum(
            len(each.images) for each in self.clean
        )


Task = CleanTask | AttackTask | MeasurementTask | TransferTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Everything that a worker needs to know for a stretch of work on one model.

    Attributes:
        label: of the cells, for people.
        speaker: whose prints the work may hold: a model or a plugin.
        trial: images that the model is tried on when it is loaded.
        next_model: the model that is needed afterwards, if the worker may load it meanwhile.
    """

    model: str
    label: str
    speaker: str
    task: Task
    trial: tuple[str, ...]
    next_model: str | None = None

    @property
    def plugin(self) -> str | None:
        """The task's, as ``distribution:plugin``; None: the work is the model's alone."""
        who, _, name = self.speaker.partition(" ")
        return name if who == "plugin" else None


def task_groups(cells: Sequence[Cell]) -> list[tuple[Cell, ...]]:
    """A model's cells, the clean one first, in task groups, in their order."""
    clean, *tasks = cells
    # Goals of one attack share batches; measurements are done one by one.
    groups = itertools.groupby(tasks, key=lambda cell: (cell.attack or cell).label)
    return [(clean,), *(tuple(members) for _, members in groups)]


def speaker(cell: Cell) -> str:
    """Whose prints a cell's work may hold."""
    if cell.task is None:
        return f"model {cell.model.name}"
    return f"plugin {cell.task.component.plugin}"


def cut(
    cells: Sequence[Cell],
    images: Sequence[ImageKey],
    targets: Mapping[CellImage, int | None],
    starts: Mapping[ImageKey, SavedRow],
) -> Task:
    """The task of some images of a task group; image by image, each is decoded once for all goals.

    Args:
        cells: one of `task_groups`.
        targets: the class to reach, where an image is to be done for a cell's goal.
        starts: the adversarial examples that a measurement starts from.
    """
    first = cells[0]
    if first.task is None:
        return CleanTask(tuple(images))
    wanted = tuple(
        Assigned(
            cell=cell.key,
            image=image.name,
            label=image.label,
            target=targets[cell.key, image.name],
            seed=image_seed(cell_key=cell.key, seed=cell.seed, image_id=image.name),
            start=starts.get(image),
        )
        for image in images
        for cell in cells
        if cell.seed is not None and (cell.key, image.name) in targets
    )
    if first.attack is None:
        return MeasurementTask(cell=first.key, measurement=first.task.label, images=wanted)
    return AttackTask(
        attack=first.attack.label,
        eight_bit=first.attack.eight_bit,
        keep=first.attack.keep,
        budget=first.attack.budget_passes,
        images=wanted,
    )
