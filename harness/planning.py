"""A suite becomes cells, in order: pure functions, no torch, no database.

A cell is (model, attack with parameters, goal) on a dataset: the unit that has a key. Every model
also has a clean cell, which its attack cells need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal

from harness.api import Goal, Norm
from harness.api.classifier import convertible
from harness.definition import Definition, Numerics, TransferDefinition
from harness.identity import KEY_VERSION, canonical_json, tagged_hash
from harness.part import Part


@dataclass(frozen=True, slots=True)
class NumericPolicy:
    """What of the arithmetic is part of a result's identity.

    Attributes:
        precision: of the passes that make gradients; verdicts are always IEEE fp32.
        fold_batch_norm: whether batch norms are folded into the convolutions before them.
        generator: where an attack's random numbers are drawn.
        rows: how many images every pass has, so that none depends on others; None: what there is.
    """

    precision: Numerics = "fp32"
    fold_batch_norm: bool = True
    generator: str = "torch-cpu"
    rows: int | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What is in every key; ``rows`` only where there is a number."""
        return {
            "precision": self.precision,
            "fold_batch_norm": self.fold_batch_norm,
            "generator": self.generator,
        } | ({} if self.rows is None else {"rows": self.rows})

    @property
    def verdicts(self) -> NumericPolicy:
        """That of predictions and verdicts, which do not depend on the gradients' precision."""
        return replace(self, precision="fp32")


@dataclass(frozen=True, slots=True)
class Component:
    """A model, dataset, attack or measurement as the plan and the store know it.

    Attributes:
        name: the registry's or the plugin's name.
        identity: JSON-like content that makes results differ: weights hash and preprocessing,
            reader and version, attack version and parameters that are not their defaults.
        about: JSON-like facts that do not: family, parameters, published accuracy, summary, plugin.
    """

    name: str
    identity: Mapping[str, Any]
    about: Mapping[str, Any]

    @property
    def plugin(self) -> str:
        return str(self.about["plugin"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a model's images: channels, height, width."""
        channels, height, width = self.about["shape"]
        return channels, height, width


@dataclass(frozen=True, slots=True)
class PlannedAttack:
    """One attack of a suite with its parameters and goals.

    Attributes:
        component: its identity holds ``name``, ``version`` and ``parameters``.
        label: the name, with the parameters that are not their defaults or differ within the suite;
            for people, and no part of any identity.
        budget: the declared epsilon; None for a minimum-distortion attack.
        images: how many of the plan's images are attacked; None for all.
        keep: whether the adversarial images are kept.
        eight_bit: whether they are judged after rounding to 8 bits too. Like ``keep`` it adds a
            fact and changes no result: it is in no key.
        budget_passes: the most passes of an image, and part of the identity; None: no bound.
        targets: the classes of goal random by image id, and part of the identity; empty: drawn.
    """

    component: Component
    label: str
    norm: Norm
    budget: float | None
    goals: tuple[Goal, ...]
    images: int | None
    keep: bool
    eight_bit: bool
    budget_passes: int | None = None
    targets: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedMeasurement:
    """One measurement of a suite; see `PlannedAttack`.

    Attributes:
        starts_from: the attack whose saved adversarial examples it needs, on the same model and
            for the same goal; its identity is within the component's.
    """

    component: Component
    label: str
    goals: tuple[Goal, ...]
    images: int | None
    starts_from: PlannedAttack | None = None
    targets: Mapping[str, int] = field(default_factory=dict)


Task = PlannedAttack | PlannedMeasurement


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """An image of the run: id and 0-based label; its digest is read when work begins."""

    id: str
    label: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of work: a model's clean cell, or one of an attack or a measurement for a goal."""

    key: str
    model: Component
    dataset: Component
    policy: NumericPolicy
    images: tuple[PlannedImage, ...]
    attack: PlannedAttack | None = None
    goal: Goal | None = None
    seed: int | None = None
    measurement: PlannedMeasurement | None = None

    @property
    def task(self) -> Task | None:
        """What is done to the images; None for a clean prediction."""
        return self.attack or self.measurement

    @property
    def label(self) -> str:
        if self.task is None:
            return f"{self.model.name} clean"
        return f"{self.model.name} {self.task.label} {self.goal}"


@dataclass(frozen=True, slots=True)
class PlannedTransfer:
    """Every model's saved adversarial examples are shown to every other model.

    Attributes:
        border: what surrounds images that are smaller than a target's.
        keep_sets: False: a model's saved examples are deleted once all models of the plan have
            seen them.
    """

    border: Literal["white", "grey"] = "white"
    keep_sets: bool = True

    @property
    def definition(self) -> TransferDefinition:
        """As a suite is stored."""
        return {"border": self.border, "keep_sets": self.keep_sets}


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How a source's images are adapted to a target: cropped, or set into a border.

    Attributes:
        size: (height, width) of the source's images.
        cut: JSON; how readers that follow the source crop its images, or null; channels but RGB.
        border: white or grey; none where source and target see the same images.
    """

    size: tuple[int, int]
    cut: str
    border: Literal["white", "grey", "none"]


@dataclass(frozen=True, slots=True)
class Pair:
    """The candidates of ``source``, an attack cell, on the model of ``target``, a clean cell."""

    source: Cell
    target: Cell
    adaptation: Adaptation

    @property
    def own(self) -> bool:
        """Whether source and target are one model: the diagonal."""
        return self.source.model is self.target.model

    @property
    def model(self) -> Component:
        """The target."""
        return self.target.model

    @property
    def images(self) -> tuple[PlannedImage, ...]:
        return self.source.images


@dataclass(frozen=True)  # without slots, for what is computed once
class Plan:
    """Everything a run will do.

    Attributes:
        suite: the suite's name; ``definition`` is its resolved content.
        cells: model by model, the clean cell first.
        unavailable: attacks, measurements and metrics that the suite names and no plugin offers.
        transfer: None: candidates are shown to no other model.
        part: which part of ``whole`` it is; None: it is all that was asked for.
    """

    suite: str
    definition: Definition
    seed: int
    cells: tuple[Cell, ...]
    unavailable: tuple[str, ...] = ()
    transfer: PlannedTransfer | None = None
    part: Part | None = None
    whole: Plan | None = None

    @property
    def policy(self) -> NumericPolicy:
        """What the work is done in; a clean cell has that of verdicts alone."""
        cells = [cell for cell in self.cells if cell.task] or self.cells
        return cells[0].policy if cells else NumericPolicy()

    @property
    def models(self) -> tuple[Component, ...]:
        return tuple({cell.model.name: cell.model for cell in self.cells}.values())

    def of(self, model: Component) -> tuple[Cell, ...]:
        """The cells of one model, the clean one first."""
        return tuple(cell for cell in self.cells if cell.model is model)

    @property
    def sources(self) -> tuple[Cell, ...]:
        """The cells whose saved examples are shown to other models; none without transfer."""
        return tuple(
            cell for cell in self.cells if self.transfer and cell.attack and cell.attack.keep
        )

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every source on every model that its images suit, target by target."""
        if self.transfer is None:
            return ()
        sources = self.sources
        return tuple(
            Pair(source, target, adaptation(source.model, target.model, self.transfer.border))
            for target in self.cells
            if target.task is None
            for source in sources
            if convertible(source.model.shape[0], target.model.shape[0])
        )

    @cached_property
    def pairs_by_source(self) -> Mapping[str, Sequence[Pair]]:
        """The pairs by the key of their source, each with every model in the order of the plan."""
        found: dict[str, list[Pair]] = {}
        for pair in self.pairs:
            found.setdefault(pair.source.key, []).append(pair)
        return found


def adaptation(
    source: Component, target: Component, border: Literal["white", "grey"]
) -> Adaptation:
    """How images of ``source`` are adapted to ``target``."""
    size, cut = _pictures(source)
    return Adaptation(size, cut, "none" if (size, cut) == _pictures(target) else border)


def _pictures(model: Component) -> tuple[tuple[int, int], str]:
    """The size of a model's images, and how they are cropped and coloured, as JSON."""
    channels, *_ = model.shape
    cut = model.identity["preprocessing"].get("cut")
    if channels != 3:  # what is stored is older than other channels
        cut = {**(cut or {}), "channels": channels}
    return model.shape[1:], canonical_json(cut)


def image_order(dataset: str, images: Sequence[PlannedImage]) -> tuple[PlannedImage, ...]:
    """The images in the fixed pseudo-random order of their ids' hashes.

    The first 100 are thus among the first 1,000, and no class comes first.
    """
    return tuple(sorted(images, key=lambda image: tagged_hash("order", [dataset, image.id])))


def clean_key(*, model: Component, dataset: Component, policy: NumericPolicy) -> str:
    """The key of a model's clean cell: the same whatever the gradients' precision is."""
    return tagged_hash("clean", _identity(model, dataset, policy.verdicts))


def _identity(model: Component, dataset: Component, policy: NumericPolicy) -> dict[str, Any]:
    """What is in every key."""
    return {
        "version": KEY_VERSION,
        "model": model.identity,
        "dataset": dataset.identity,
        "policy": policy.identity,
    }


def cell_key(
    *,
    model: Component,
    dataset: Component,
    attack: Component,
    goal: Goal,
    seed: int,
    policy: NumericPolicy,
) -> str:
    """The key of an attack cell. Image ids are not in it, nor is anything about the machine."""
    task = {"attack": attack.identity, "goal": goal.value, "seed": seed}
    return tagged_hash("cell", {**_identity(model, dataset, policy), **task})


def measurement_key(
    *,
    model: Component,
    dataset: Component,
    measurement: Component,
    goal: Goal,
    seed: int,
    policy: NumericPolicy,
) -> str:
    """The key of a measurement's cell; see `cell_key`."""
    task = {"measurement": measurement.identity, "goal": goal.value, "seed": seed}
    return tagged_hash("measurement", {**_identity(model, dataset, policy), **task})


def plan_cells(
    *,
    models: Sequence[Component],
    attacks: Sequence[PlannedAttack],
    measurements: Sequence[PlannedMeasurement] = (),
    dataset: Component,
    images: Sequence[PlannedImage],
    clean_images: int | None,
    seed: int,
    policy: NumericPolicy,
) -> tuple[Cell, ...]:
    """All cells, model by model.

    ``images`` come in plan order; ``clean_images`` of them (None: all) measure the accuracy, and
    each attack and measurement takes its own number from the front.
    """
    cells: list[Cell] = []
    ordered = tuple(images)
    for model in models:
        clean = clean_key(model=model, dataset=dataset, policy=policy)
        tasks: tuple[Task, ...] = (*attacks, *measurements)
        needed = _most(clean_images, *(task.images for task in tasks))
        cells.append(Cell(clean, model, dataset, policy.verdicts, ordered[:needed]))
        keyed = partial(cell_key, model=model, dataset=dataset, seed=seed, policy=policy)
        for attack in attacks:
            taken = ordered[: attack.images]
            for goal in attack.goals:
                key = keyed(attack=attack.component, goal=goal)
                cells.append(Cell(key, model, dataset, policy, taken, attack, goal, seed))
        scored = partial(measurement_key, model=model, dataset=dataset, seed=seed, policy=policy)
        for measurement in measurements:
            taken = ordered[: measurement.images]
            for goal in measurement.goals:
                key = scored(measurement=measurement.component, goal=goal)
                cell = Cell(key, model, dataset, policy, taken, None, goal, seed, measurement)
                cells.append(cell)
    return tuple(cells)


def _most(*counts: int | None) -> int | None:
    return None if None in counts else max(count for count in counts if count is not None)
