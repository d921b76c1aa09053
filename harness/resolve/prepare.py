"""From names to things: a suite of the registry and the installed plugins become a plan.

Everything that can be wrong or missing is found here, before a run makes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from harness.api import (
    AttackParameters,
    ConfigError,
    Dataset,
    Goal,
    Measurement,
    Metric,
    ModelLoader,
    ModelSpec,
)
from harness.identity import canonical_json
from harness.planning import (
    Component,
    NumericPolicy,
    Plan,
    PlannedAttack,
    PlannedImage,
    PlannedMeasurement,
    PlannedTransfer,
    Task,
    image_order,
    plan_cells,
)
from harness.plugins import Catalog, Kind, Registration, unknown
from harness.registry import Registry, SuiteEntry
from harness.resolve.checked_dataset import CheckedDataset
from harness.resolve.components import (
    attack_component,
    dataset_component,
    measurement_component,
    metric_instances,
    model_component,
)
from harness.resolve.inventory import Inventory
from harness.resolve.models import choose_dataset, choose_models
from harness.resolve.parameters import labels
from harness.resolve.starting import with_start

_E = TypeVar("_E")
_T = TypeVar("_T", PlannedAttack, PlannedMeasurement)
_P = TypeVar("_P", AttackParameters, Measurement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks for; empty selections mean "what the suite says".

    Attributes:
        models: names, globs, and LOADER:MODEL for models that the registry does not name.
        attacks: names or labels, or globs, of attacks and measurements.
        images: ids, or globs, of images of the data set.
        weights: (glob of models, source); without a glob the source is for all that have it.
        eight_bit: whether every attack's candidates are judged after rounding to 8 bits too.
        known: hashes of the weights that names of models stand for already, in the database.
        exact: how many images every pass has; see `NumericPolicy.rows`.
    """

    suite: str
    models: Sequence[str] = ()
    weights: Sequence[tuple[str | None, str]] = ()
    attacks: Sequence[str] = ()
    goals: Sequence[Goal] = ()
    images: Sequence[str] = ()
    limit: int | None = None
    seed: int | None = None
    data: Mapping[str, Path] = field(default_factory=dict)
    eight_bit: bool = False
    known: Mapping[str, frozenset[str]] = field(default_factory=dict)
    exact: int | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A plan, and the things that its names stand for.

    Attributes:
        attacks, measurements: by label.
        models, metrics: by name.
    """

    plan: Plan
    dataset: Dataset
    attacks: Mapping[str, AttackParameters]
    measurements: Mapping[str, Measurement]
    models: Mapping[str, tuple[ModelLoader, ModelSpec]]
    metrics: Mapping[str, Metric]


def resolve(
    request: Request,
    registry: Registry,
    catalog: Catalog,
    inventory: Inventory | None = None,
    *,
    planning: bool = False,
) -> Resolved:
    """The plan for ``request`` and everything it needs.

    Args:
        inventory: what was found out about the request before; its models are those of the plan.
        planning: weights need not be here; a model whose weights' hash is not known has a key that
            no other has, and nothing is stored under it.

    Raises:
        ConfigError: a name, a parameter or a goal is wrong. MissingError: weights or data are not
        there. PluginError: a component that is needed cannot be imported.
    """
    suite = registry.get_suite(request.suite)
    unavailable: list[str] = []
    attacks, parameters = _attacks(suite, catalog, unavailable)
    measurements, measuring = _measurements(suite, catalog, attacks, unavailable)
    chosen, measured = _chosen(request, suite, catalog, attacks, measurements)
    metrics = metric_instances(suite.metrics, catalog, unavailable)
    choice = inventory.choice if inventory else choose_models(request, suite, registry, catalog)
    found = (inventory and inventory.dataset) or _dataset(request, suite, registry, catalog)
    dataset_component_, dataset = found
    models = [model_component(entry, catalog, planning=planning) for entry in choice.models]
    components = [component for component, _ in models]
    _must_differ(components)
    if models and not planning:
        wanted = models[0][1][1].preprocessing
        dataset.try_out(wanted.size, wanted.cut)
    images = [PlannedImage(sample.id, sample.label) for sample in dataset.samples()]
    ordered = _wanted_images(request, image_order(suite.dataset, images))
    seed = suite.seed if request.seed is None else request.seed
    plan = Plan(
        suite=suite.name,
        definition=_definition(suite, choice.board, attacks, measurements, seed),
        seed=seed,
        cells=plan_cells(
            models=components,
            attacks=[narrowed for narrowed in chosen if narrowed.goals],
            measurements=[narrowed for narrowed in measured if narrowed.goals],
            dataset=dataset_component_,
            images=ordered[: request.limit],
            clean_images=suite.accuracy_images,
            seed=seed,
            policy=NumericPolicy(rows=request.exact),
        ),
        unavailable=tuple(unavailable),
        transfer=_transfer(suite),
    )
    loaded = {component.name: each for component, each in models}
    return Resolved(plan, dataset, parameters, measuring, loaded, metrics)


def _definition(
    suite: SuiteEntry,
    models: Sequence[str],
    attacks: Sequence[PlannedAttack],
    measurements: Sequence[PlannedMeasurement],
    seed: int,
) -> dict[str, Any]:
    """The resolved suite, as the store keeps it for the boards: all of it, whatever is chosen."""
    return {
        "name": suite.name,
        "dataset": suite.dataset,
        "models": list(models),
        "attacks": [
            {
                "name": attack.component.name,
                "label": attack.label,
                "norm": attack.norm.value,
                "budget": attack.budget,
                "goals": [goal.value for goal in attack.goals],
                "parameters": attack.component.identity["parameters"],
            }
            for attack in attacks
        ],
        "measurements": [
            {
                "name": measurement.component.name,
                "label": measurement.label,
                "goals": [goal.value for goal in measurement.goals],
                "parameters": measurement.component.identity["parameters"],
            }
            for measurement in measurements
        ],
        "metrics": list(suite.metrics),
        "images": suite.images,
        "accuracy_images": suite.accuracy_images,
        "transfer": None if (transfer := _transfer(suite)) is None else transfer.definition,
        "seed": seed,
    }


def _transfer(suite: SuiteEntry) -> PlannedTransfer | None:
    entry = suite.transfer
    return None if entry is None else PlannedTransfer(entry.border, entry.keep_sets)


def _must_differ(models: Sequence[Component]) -> None:
    """Two names for one network would share every cell."""
    seen: dict[str, str] = {}
    for model in models:
        other = seen.setdefault(canonical_json(model.identity), model.name)
        if other != model.name:
            raise ConfigError(
                f"models {other!r} and {model.name!r} are the same network",
                hint="leave one out with --models",
            )


def _dataset(
    request: Request, suite: SuiteEntry, registry: Registry, catalog: Catalog
) -> tuple[Component, CheckedDataset]:
    entry = choose_dataset(request, suite, registry)
    return dataset_component(entry, catalog, root=request.data.get(entry.name))


def _wanted_images(request: Request, ordered: tuple[PlannedImage, ...]) -> tuple[PlannedImage, ...]:
    """The images that are asked for, in their order."""
    if not request.images:
        return ordered
    ids = [image.id for image in ordered]
    for glob in request.images:
        if not _matches([glob], ids):
            raise unknown("image", glob, ids, "--images", "the ids of the view `samples`")
    return tuple(image for image in ordered if _matches(request.images, [image.id]))


def _attacks(
    suite: SuiteEntry, catalog: Catalog, unavailable: list[str]
) -> tuple[list[PlannedAttack], dict[str, AttackParameters]]:
    """The suite's attacks; those that no plugin offers are added to ``unavailable``."""
    named = [(entry.attack, entry) for entry in suite.attacks]
    found = _offered(Kind.ATTACK, named, catalog, unavailable)
    return _labelled(
        f"suites.{suite.name}.attacks",
        [(entry.source, attack_component(entry, suite, offer)) for entry, offer in found],
    )


def _measurements(
    suite: SuiteEntry,
    catalog: Catalog,
    attacks: Sequence[PlannedAttack],
    unavailable: list[str],
) -> tuple[list[PlannedMeasurement], dict[str, Measurement]]:
    """The suite's measurements; those that no plugin offers are added to ``unavailable``.

    So are those that start from such an attack.
    """
    absent = frozenset(unavailable)
    named = [(entry.measurement, entry) for entry in suite.measurements]
    tasks: list[tuple[str, tuple[PlannedMeasurement, Measurement]]] = []
    for entry, offer in _offered(Kind.MEASUREMENT, named, catalog, unavailable):
        planned, measurement = measurement_component(entry, suite, offer)
        start = measurement.starts_from
        if start is not None and start.partition(" ")[0] in absent:
            unavailable.append(planned.label)
            continue
        if start is not None:
            planned = with_start(planned, start, entry, suite, attacks)
        tasks.append((entry.source, (planned, measurement)))
    return _labelled(f"suites.{suite.name}.measurements", tasks)


def _offered(
    kind: Kind, named: Iterable[tuple[str, _E]], catalog: Catalog, unavailable: list[str]
) -> list[tuple[_E, Registration]]:
    """The suite's entries with what a plugin offers under their names."""
    found: list[tuple[_E, Registration]] = []
    for name, entry in named:
        registration = catalog.find(kind, name)
        if registration is None:
            unavailable.append(name)
        else:
            found.append((entry, registration))
    return found


def _labelled(
    field: str, tasks: Sequence[tuple[str, tuple[_T, _P]]]
) -> tuple[list[_T], dict[str, _P]]:
    """The tasks with labels that tell them apart, and their parameters by label.

    Raises:
        ConfigError: one stands twice in ``field``.
    """
    planned: list[_T] = []
    parameters: dict[str, _P] = {}
    names = labels([(task.component.name, instance) for _, (task, instance) in tasks])
    for label, (source, (task, instance)) in zip(names, tasks, strict=True):
        if label in parameters:
            raise ConfigError(f"{label!r} stands twice", where=f"{source}: {field}")
        parameters[label] = instance
        planned.append(replace(task, label=label))
    return planned, parameters


def _chosen(
    request: Request,
    suite: SuiteEntry,
    catalog: Catalog,
    attacks: Sequence[PlannedAttack],
    measurements: Sequence[PlannedMeasurement],
) -> tuple[list[PlannedAttack], list[PlannedMeasurement]]:
    """What is asked for: with the goals wanted, none where the thing itself is not."""
    tasks: tuple[Task, ...] = (*attacks, *measurements)
    names = [name for task in tasks for name in (task.component.name, task.label)]
    for glob in request.attacks:
        if not _matches([glob], names):
            if any(catalog.find(kind, glob) for kind in (Kind.ATTACK, Kind.MEASUREMENT)):
                raise ConfigError(
                    f"{glob!r} is installed, but no part of suite {suite.name!r}",
                    where="--attacks",
                    hint=f"it has {', '.join(dict.fromkeys(names))}; another suite may name it",
                )
            raise unknown("attack of the suite", glob, names, "--attacks", "`harness suites show`")
    eight = request.eight_bit
    chosen = [
        replace(each, goals=_goals(each, request), eight_bit=each.eight_bit or eight)
        for each in attacks
    ]
    measured = [replace(each, goals=_goals(each, request)) for each in measurements]
    if tasks and not any(each.goals for each in chosen) | any(each.goals for each in measured):
        raise ConfigError(
            f"no chosen attack of suite {suite.name!r} has goal {', '.join(request.goals)}",
            where="--goals",
            hint=f"see `harness suites show {suite.name}`",
        )
    return chosen, measured


def _goals(task: Task, request: Request) -> tuple[Goal, ...]:
    if request.attacks and not _matches(request.attacks, (task.component.name, task.label)):
        return ()
    wanted = request.goals or task.goals
    return tuple(goal for goal in task.goals if goal in wanted)


def _matches(globs: Sequence[str], names: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs for name in names)
