"""Registry entries and plugins become the plan's components, with the things they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.api import (
    Attack,
    AttackParameters,
    CompositeAttack,
    ConfigError,
    Dataset,
    Goal,
    HarnessError,
    Measurement,
    Metric,
    ModelLoader,
    ModelSpec,
    PluginError,
    SteppedAttack,
)
from harness.planning import Component, PlannedAttack, PlannedMeasurement
from harness.plugins import Catalog, Kind, Registration
from harness.registry import (
    AttackEntry,
    DatasetEntry,
    MeasurementEntry,
    ModelEntry,
    SuiteEntry,
)
from harness.resolve.checked_dataset import CheckedDataset
from harness.resolve.declared import check_attack, check_measurement
from harness.resolve.parameters import ParameterSpec, bounded, changed, goals_of, labels
from harness.resolve.sweeps import swept
from harness.resolve.weights import CheckedWeights, checked_weights, place
from harness.signals import stop_if_asked


def model_component(
    entry: ModelEntry, catalog: Catalog, weights: CheckedWeights | None
) -> tuple[Component, tuple[ModelLoader, ModelSpec]]:
    """A model with its loader and what the loader is given.

    Where ``entry`` has sources and none is chosen, the first one counts.

    Args:
        weights: see `find_weights`; None: they are not here, and their hash is the registry's, or
            unlike any other.
    """
    entry = entry.chosen(None)
    registration = _loader_registration(entry, catalog)
    digest = weights.sha256 if weights else entry.weights.sha256 or f"unknown: {entry.name}"
    preprocessing = entry.input.model_dump(mode="json")
    if entry.input.cut is None:
        del preprocessing["cut"]  # keys are older than cuts
    identity = {
        "loader": {"name": registration.name, "version": registration.version},
        "architecture": entry.architecture,
        "weights": digest,
        "preprocessing": preprocessing,
        "classes": entry.classes,
        "options": dict(entry.options),
    }
    if entry.code is not None:
        identity["code"] = (weights and weights.code) or f"unknown: {entry.name}"
    about = {
        "family": entry.family,
        "training": entry.training,
        "year": entry.year,
        "layers": entry.layers,
        "parameters": entry.parameters,
        "published": entry.published.model_dump(),
        "source": entry.source_name,
        "fidelity": entry.fidelity,
        "seed_of": entry.seed_of,
        "shape": [*entry.preprocessing.shape],
        "plugin": registration.origin,
    }
    spec = entry.spec(weights.path if weights else None)
    return Component(entry.name, identity, about), (model_loader(registration), spec)


def found_model(
    entry: ModelEntry, catalog: Catalog
) -> tuple[Component, tuple[ModelLoader, ModelSpec]]:
    """`model_component` with the weights, which have to be here.

    Raises:
        MissingError: the weight file is not there, or not the registry's.
    """
    return model_component(entry, catalog, find_weights(entry, catalog))


def find_weights(entry: ModelEntry, catalog: Catalog) -> CheckedWeights:
    """The weights of ``entry``, or of its first source where none is chosen.

    Raises:
        MissingError: the weight file is not there, or not the registry's.
    """
    entry = entry.chosen(None)
    return checked_weights(entry, loader_of(entry, catalog))


def loader_of(entry: ModelEntry, catalog: Catalog) -> ModelLoader:
    """The loader that ``entry`` names."""
    return model_loader(_loader_registration(entry, catalog))


def _loader_registration(entry: ModelEntry, catalog: Catalog) -> Registration:
    return catalog.get(Kind.MODEL_LOADER, entry.loader, where=f"{place(entry)}.loader")


def model_loader(registration: Registration) -> ModelLoader:
    """The loader that a plugin offers."""
    loader: ModelLoader = _instance(registration, ModelLoader)
    return loader


def reader_of(registration: Registration) -> type[Dataset]:
    """The dataset reader that a plugin offers."""
    return _imported(registration, Dataset)


def dataset_component(
    entry: DatasetEntry, catalog: Catalog, *, root: Path | None
) -> tuple[Component, CheckedDataset]:
    """A dataset with its reader; ``root`` is the user's place for it.

    Raises:
        MissingError: the data are not there. ConfigError: registry and reader count its classes
        differently. PluginError: see `CheckedDataset`.
    """
    where = f"{entry.source}: datasets.{entry.name}.reader"
    registration = catalog.get(Kind.DATASET, entry.reader, where=where)
    dataset = CheckedDataset(reader_of(registration), entry.spec(root), registration.origin)
    if entry.classes is not None and dataset.classes != entry.classes:
        raise ConfigError(
            f"is {entry.classes:,}, but reader {registration.name!r} counts {dataset.classes:,}",
            where=f"{entry.source}: datasets.{entry.name}.classes",
            hint="correct the one that is wrong",
        )
    identity = {
        "name": entry.name,
        "version": entry.version,
        "reader": {"name": registration.name, "version": registration.version},
        "options": dict(entry.options),
    }
    about = {
        "summary": entry.summary,
        "licence": entry.licence,
        "plugin": registration.origin,
        **({"class_names": list(dataset.class_names)} if dataset.class_names else {}),
        **({"class_ids": list(dataset.class_ids)} if dataset.class_ids else {}),
    }
    return Component(entry.name, identity, about), dataset


def attack_class(registration: Registration) -> type[AttackParameters]:
    """The class of an attack that a plugin offers."""
    return _imported(registration, AttackParameters)


def attack_components(
    entry: AttackEntry, suite: SuiteEntry, registration: Registration, where: str
) -> list[tuple[PlannedAttack, AttackParameters]]:
    """An attack on the images of ``suite`` with its parameters checked and made canonical.

    It is one for each value of a sweep.

    Raises:
        ConfigError: a parameter, preset or goal is wrong.
    """
    kind = attack_class(registration)
    return [
        _planned_attack(
            entry,
            suite,
            goals_of(entry, suite, kind, where),
            attack_of(ParameterSpec.of(each, where), registration),
        )
        for each in swept(entry, kind, where)
    ]


def _planned_attack(
    entry: AttackEntry,
    suite: SuiteEntry,
    goals: tuple[Goal, ...],
    found: tuple[Component, AttackParameters],
) -> tuple[PlannedAttack, AttackParameters]:
    component, attack = found
    if entry.budget_passes is not None:
        identity = {**component.identity, "budget_passes": entry.budget_passes}
        component = replace(component, identity=identity)
    planned = PlannedAttack(
        component=replace(
            component,
            about={**component.about, "confidence": attack.confidence, "preset": entry.preset},
        ),
        label=bounded(labels([(component.name, attack)], [entry.preset])[0], entry.budget_passes),
        norm=attack.norm,
        budget=attack.budget,
        goals=goals,
        images=suite.images if entry.images is None else entry.images,
        keep=entry.keep,
        eight_bit=entry.eight_bit,
        budget_passes=entry.budget_passes,
    )
    return planned, attack


def attack_of(
    spec: ParameterSpec, registration: Registration
) -> tuple[Component, AttackParameters]:
    """The attack that ``spec`` asks for, and its identity.

    Raises:
        ConfigError: a parameter, preset or goal is wrong. PluginError: the plugin's class is.
    """
    kind = attack_class(registration)
    if not issubclass(kind, Attack | SteppedAttack | CompositeAttack):
        what = "it is neither an Attack nor a SteppedAttack nor a CompositeAttack"
        raise _broken(registration, TypeError(what))
    with _using(registration):
        attack = spec.checked(kind)
        check_attack(attack)
        return _parametrised(registration, attack), attack


def measurement_of(
    spec: ParameterSpec, registration: Registration
) -> tuple[Component, Measurement]:
    """The measurement that ``spec`` asks for, as `attack_of`."""
    kind = _imported(registration, Measurement)
    with _using(registration):
        measurement = spec.checked(kind)
        check_measurement(measurement)
        return _parametrised(registration, measurement), measurement


def measurement_components(
    entry: MeasurementEntry, suite: SuiteEntry, registration: Registration, where: str
) -> list[tuple[PlannedMeasurement, Measurement]]:
    """A measurement of ``suite``, as `attack_components`."""
    kind = _imported(registration, Measurement)
    return [
        _planned_measurement(each, suite, registration, ParameterSpec.of(each, where))
        for each in swept(entry, kind, where)
    ]


def _planned_measurement(
    entry: MeasurementEntry, suite: SuiteEntry, registration: Registration, spec: ParameterSpec
) -> tuple[PlannedMeasurement, Measurement]:
    component, measurement = measurement_of(spec, registration)
    images = suite.images if entry.images is None else entry.images
    planned = PlannedMeasurement(
        component=replace(component, about={**component.about, "preset": entry.preset}),
        label=labels([(registration.name, measurement)], [entry.preset])[0],
        goals=entry.goals,
        images=images,
    )
    return planned, measurement


def _parametrised(
    registration: Registration, instance: AttackParameters | Measurement
) -> Component:
    """The component: what is not a default makes its identity, all parameters are known."""
    identity = {
        "name": registration.name,
        "version": registration.version,
        "parameters": changed(instance),
    }
    about = {
        "plugin": registration.origin,
        "summary": registration.summary,
        "parameters": instance.model_dump(mode="json"),
    }
    return Component(registration.name, identity, about)


def metric_instance(registration: Registration) -> Metric:
    """The metric that a plugin offers."""
    metric: Metric = _instance(registration, Metric)
    return metric


def _imported(registration: Registration, base: type[Any]) -> type[Any]:
    loaded = registration.load()
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise _broken(registration, TypeError(f"{registration.target} is not a {base.__name__}"))
    return loaded


def _instance(registration: Registration, base: type[Any]) -> Any:
    kind = _imported(registration, base)
    with _using(registration):
        return kind()


@contextmanager
def _using(registration: Registration) -> Iterator[None]:
    """A first call into what a plugin offers.

    Raises:
        PluginError: it raised anything but an error of ours.
    """
    try:
        yield
    except HarnessError:
        raise
    except BaseException as error:
        stop_if_asked()
        raise _broken(registration, error) from error


def _broken(registration: Registration, error: BaseException) -> PluginError:
    return PluginError(
        f"{registration.kind} {registration.name!r} cannot be used: "
        f"{type(error).__name__}: {error}",
        where=f"plugin {registration.plugin} ({registration.distribution})",
        hint="update or remove the plugin",
    )
