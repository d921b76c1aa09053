"""Shards: work that a worker does without asking anybody, and how pending work is cut into them.

A shard is a model and a task: its clean predictions, an attack with all its goals, a measurement,
or saved adversarial examples to predict. It is frozen, picklable and small: images by their ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from harness.api import CleanPrediction, ImageKey, Status
from harness.execute.targets import Skipped, assign_targets
from harness.identity import image_seed
from harness.planning import Adaptation, Cell
from harness.sealed import SavedRow

RUN_FIRST = "run the attack with keep: true, then this with --retry-errors"

_numbers = itertools.count()

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
        suspects: images that a process died with: they come last and alone.
    """

    attack: str
    eight_bit: bool
    keep: bool
    images: tuple[Assigned, ...]
    suspects: tuple[Assigned, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementTask:
    """Measure images; see `AttackTask`."""

    cell: str
    measurement: str
    images: tuple[Assigned, ...]
    suspects: tuple[Assigned, ...] = ()


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
        number: its own, among all shards that this process makes.
    """

    model: str
    label: str
    speaker: str
    task: Task
    trial: tuple[str, ...]
    next_model: str | None = None
    number: int = field(default_factory=_numbers.__next__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a model's images when its work is cut into shards.

    Attributes:
        keys: of the images, by id.
        clean: the model's clean predictions.
        deadly: images that have killed too many processes, and why each is left out.
        suspects: images that a process died with.
        start: the attack that a measurement starts from; ``starts``: its saved examples.
    """

    keys: Mapping[str, ImageKey]
    clean: Mapping[ImageKey, CleanPrediction] = field(default_factory=dict)
    deadly: Mapping[CellImage, str] = field(default_factory=dict)
    suspects: Collection[CellImage] = ()
    start: str | None = None
    starts: Mapping[ImageKey, SavedRow] = field(default_factory=dict)


def task_groups(cells: Sequence[Cell]) -> list[tuple[Cell, ...]]:
    """A model's cells, the clean one first, in groups of one shard each, in their order."""
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
    cells: Sequence[Cell], left: Mapping[str, Collection[str]], facts: Facts
) -> tuple[Task, Mapping[str, Sequence[Skipped]]]:
    """The task of a group of cells, and the images that need no work, by cell.

    Args:
        cells: one of `task_groups`, or those of its cells that are not complete.
        left: the ids of the cells' images to compute.
    """
    first = cells[0]
    if first.task is None:
        return CleanTask(tuple(facts.keys[image] for image in left[first.key])), {}
    wanted: list[Assigned] = []
    skipped: dict[str, Sequence[Skipped]] = {}
    for cell in cells:
        found, skipped[cell.key] = _assigned(cell, left[cell.key], facts)
        wanted += found
    # Image by image: each is decoded once for all goals.
    place = {image.id: number for number, image in enumerate(first.images)}
    wanted.sort(key=lambda each: place[each.image])
    images = tuple(each for each in wanted if (each.cell, each.image) not in facts.suspects)
    suspects = tuple(each for each in wanted if (each.cell, each.image) in facts.suspects)
    if first.attack:
        task: Task = AttackTask(
            attack=first.attack.label,
            eight_bit=first.attack.eight_bit,
            keep=first.attack.keep,
            images=images,
            suspects=suspects,
        )
    else:
        task = MeasurementTask(
            cell=first.key, measurement=first.task.label, images=images, suspects=suspects
        )
    return task, skipped


def _assigned(
    cell: Cell, ids: Collection[str], facts: Facts
) -> tuple[list[Assigned], list[Skipped]]:
    assert cell.seed is not None
    targets, skipped = assign_targets(cell, ids, facts.keys, facts.clean)
    wanted: list[Assigned] = []
    for image, target in targets.items():
        start = facts.starts.get(facts.keys[image])
        if why := facts.deadly.get((cell.key, image)):
            skipped.append((image, Status.ERROR, why))
        elif facts.start is not None and start is None:
            skipped.append((image, Status.ERROR, f"no saved example of {facts.start}; {RUN_FIRST}"))
        else:
            wanted.append(
                Assigned(
                    cell=cell.key,
                    image=image,
                    label=facts.keys[image].label,
                    target=target,
                    seed=image_seed(cell_key=cell.key, seed=cell.seed, image_id=image),
                    start=start,
                )
            )
    return wanted, skipped
