"""From names to things: a suite of the registry and the installed plugins become a plan.

Everything that can be wrong or missing is found here, before a run makes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from harness.api import (
    AttackParameters,
    ConfigError,
    Dataset,
    Measurement,
    Metric,
    MissingError,
    ModelLoader,
    ModelSpec,
)
from harness.definition import AttackDefinition, Definition, Numerics, TaskDefinition
from harness.identity import canonical_json
from harness.planning import (
    Component,
    NumericPolicy,
    Plan,
    PlannedAttack,
    PlannedImage,
    PlannedTransfer,
    Task,
    image_order,
    plan_cells,
)
from harness.plugins import Catalog, Kind, unknown
from harness.registry import Registry, SuiteEntry
from harness.resolve.checked_dataset import CheckedDataset
from harness.resolve.chosen import matches, requested
from harness.resolve.components import loader_of, metric_instance, model_component
from harness.resolve.division import cut
from harness.resolve.given import TARGETS, Given, list_of
from harness.resolve.inventory import Inventory, check_requirements
from harness.resolve.places import HostPath
from harness.resolve.request import Request
from harness.resolve.tasks import Tasks, suite_tasks
from harness.resolve.weights import CheckedWeights, download

Progress = Callable[[str, int, int | None], None]
"""Called with a model's name, the bytes downloaded so far, and their total where it is known."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A plan, and the things that its names stand for.

    Attributes:
        attacks, measurements: by label.
        models, metrics: by name.
        ad_hoc: the names of the models that no registry names.
        places: where hosts with workers have the dataset.
    """

    plan: Plan
    dataset: CheckedDataset
    attacks: Mapping[str, AttackParameters]
    measurements: Mapping[str, Measurement]
    models: Mapping[str, tuple[ModelLoader, ModelSpec]]
    metrics: Mapping[str, Metric]
    ad_hoc: tuple[str, ...] = ()
    places: tuple[HostPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan whose weights may not be here yet, and what it needs."""

    resolved: Resolved
    inventory: Inventory


def prepare(
    request: Request,
    registry: Registry,
    catalog: Catalog,
    *,
    available: bool = False,
    say: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda name, done, total: None,
) -> Resolved:
    """The plan for ``request`` and everything it needs; weights that are not here are downloaded.

    Args:
        available: continue without the models whose weights are missing.
        say: called with each line that the user should read before the run.

    Raises:
        ConfigError: a name, a parameter or a goal is wrong. RequirementsMissing: weights or data
        are not here. MissingError: a download failed. PluginError: a component that is needed
        cannot be imported.
    """
    found = check_requirements(request, registry, catalog)
    inventory = found.required(available=available)
    if inventory.to_download:  # what is wrong is reported before gigabytes travel
        _resolved(request, registry, catalog, inventory)
    for line in inventory.choice.notes:
        say(line)
    suite = registry.get_suite(request.suite)
    assert inventory.dataset is not None
    if suite.image_list is not None and request.dataset is not None:
        _, dataset = inventory.dataset
        if list_of(suite, dataset, replaced=True) is None:
            say(f"dataset {dataset.spec.name} has no list {suite.image_list}: targets are drawn")
    if len(inventory.choice.models) < len(found.choice.models):
        out = ", ".join(row.name for row in found.all("missing"))
        say(f"skipped because their weights are missing: {out}")
    inventory = _downloaded(inventory, catalog, available=available, say=say, progress=progress)
    resolved = _resolved(request, registry, catalog, inventory)
    tried = set[int]()
    for _, spec in resolved.models.values():
        channels = spec.preprocessing.shape[0]
        if channels not in tried:  # one input is enough to see that the reader works
            resolved.dataset.try_out(spec)
            tried.add(channels)
    return resolved


def draft(request: Request, registry: Registry, catalog: Catalog) -> Draft:
    """The plan for ``request`` without its weights; its images have to be here.

    A model whose weights' hash is not known has keys that no other has, and nothing is stored under
    them.

    Raises:
        ConfigError, RequirementsMissing, PluginError: see `prepare`.
    """
    inventory = check_requirements(request, registry, catalog)
    if inventory.dataset is None:
        inventory = inventory.required(available=False)
    return Draft(_resolved(request, registry, catalog, inventory), inventory)


def _downloaded(
    inventory: Inventory,
    catalog: Catalog,
    *,
    available: bool,
    say: Callable[[str], None],
    progress: Progress,
) -> Inventory:
    """``inventory`` with the weights that had to be downloaded.

    Raises:
        MissingError: a download failed, and is needed.
    """
    entries = {entry.name: entry for entry in inventory.choice.models}
    weights: dict[str, CheckedWeights] = dict(inventory.weights)
    failed = []
    if inventory.to_download:
        say(inventory.to_download)
    for row in inventory.all("downloadable"):
        entry = entries[row.name]
        try:
            loader = loader_of(entry, catalog)
            weights[row.name] = download(entry, loader, partial(progress, row.name))
        except MissingError as error:
            if not available:
                raise
            say(f"skipped: {error}")
            failed.append(row.name)
    kept = replace(inventory.without(failed), weights=weights)
    if not kept.choice.models:
        raise MissingError("no model is left", hint="see `harness doctor`")
    return kept


def _resolved(
    request: Request, registry: Registry, catalog: Catalog, inventory: Inventory
) -> Resolved:
    """The plan for ``request`` with the models and the dataset of ``inventory``."""
    suite = registry.get_suite(request.suite)
    assert inventory.dataset is not None
    data, dataset = inventory.dataset
    listed = list_of(suite, dataset, replaced=request.dataset is not None)
    suite = suite.model_copy(update={"dataset": data.name})
    images = _images(request, suite, dataset, frozenset(listed.ids if listed else ()))
    given = None
    if listed is not None:
        given = Given(sum(each.id in listed.ids for each in images), listed.targets)
    tasks = suite_tasks(suite, catalog, given)
    tasks, chosen = requested(request, suite, catalog, tasks)
    metrics = {
        name: metric_instance(registration)
        for name in suite.metrics
        if (registration := catalog.find(Kind.METRIC, name))
    }
    models = [
        model_component(entry, catalog, inventory.weights.get(entry.name))
        for entry in inventory.choice.models
    ]
    components = [component for component, _ in models]
    _must_differ(components)
    seed = suite.seed if request.seed is None else request.seed
    numerics = request.numerics_in(suite)
    plan = Plan(
        suite=suite.name,
        definition=_definition(suite, inventory.choice.board, tasks, seed, numerics),
        seed=seed,
        cells=plan_cells(
            models=components,
            attacks=chosen.attacks,
            measurements=chosen.measurements,
            dataset=data,
            images=images[: request.limit],
            clean_images=suite.accuracy_images,
            seed=seed,
            policy=NumericPolicy(numerics, rows=request.exact),
        ),
        unavailable=(*tasks.unavailable, *(name for name in suite.metrics if name not in metrics)),
        transfer=_transfer(suite),
    )
    return Resolved(
        plan=plan if request.shard is None else cut(plan, request.shard),
        dataset=dataset,
        attacks=tasks.parameters,
        measurements=tasks.instances,
        models={component.name: each for component, each in models},
        metrics=metrics,
        ad_hoc=inventory.choice.ad_hoc,
        places=request.data_on.get(suite.dataset, ()),
    )


def _transfer(suite: SuiteEntry) -> PlannedTransfer | None:
    entry = suite.transfer
    return None if entry is None else PlannedTransfer(entry.border, entry.keep_sets)


def _definition(
    suite: SuiteEntry, models: Sequence[str], tasks: Tasks, seed: int, numerics: Numerics
) -> Definition:
    """The resolved suite as it is stored for leaderboards: all of it, whatever is selected."""
    transfer = _transfer(suite)
    return {
        "name": suite.name,
        "dataset": suite.dataset,
        "models": list(models),
        "attacks": [_attack_definition(attack, tasks) for attack in tasks.attacks],
        "measurements": [_task_definition(each, tasks) for each in tasks.measurements],
        "metrics": list(suite.metrics),
        "images": suite.images,
        "accuracy_images": suite.accuracy_images,
        "transfer": None if transfer is None else transfer.definition,
        "seed": seed,
        "numerics": numerics,
    }


def _attack_definition(attack: PlannedAttack, tasks: Tasks) -> AttackDefinition:
    own = _task_definition(attack, tasks)
    return {**own, "norm": attack.norm.value, "budget": attack.budget}


def _task_definition(task: Task, tasks: Tasks) -> TaskDefinition:
    found: TaskDefinition = {
        "name": task.component.name,
        "label": task.label,
        "goals": [goal.value for goal in task.goals],
        "parameters": task.component.identity["parameters"],
    }
    if preset := task.component.about.get("preset"):
        found["preset"] = preset
    if isinstance(task, PlannedAttack) and task.budget_passes is not None:
        found["budget_passes"] = task.budget_passes
    if task.targets:
        found["targets"] = task.component.identity[TARGETS]
    if task.label in tasks.ad_hoc:
        found["ad_hoc"] = True
    return found


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


def _images(
    request: Request, suite: SuiteEntry, dataset: Dataset, first: frozenset[str]
) -> tuple[PlannedImage, ...]:
    """The images that are asked for, in the order of the plan: ``first`` come first."""
    images = [PlannedImage(sample.id, sample.label) for sample in dataset.samples()]
    ordered = image_order(suite.dataset, images)
    ordered = tuple(sorted(ordered, key=lambda image: image.id not in first))
    if not request.images:
        return ordered
    ids = [image.id for image in ordered]
    for glob in request.images:
        if not matches([glob], ids):
            raise unknown("image", glob, ids, "--images", "the ids of the view `samples`")
    return tuple(image for image in ordered if matches(request.images, [image.id]))
