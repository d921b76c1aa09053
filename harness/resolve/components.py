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
    ConfigError,
    Dataset,
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
from harness.resolve.parameters import ParameterSpec, changed, labels
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
    about = {
        "family": entry.family,
        "year": entry.year,
        "layers": entry.layers,
        "parameters": entry.parameters,
        "published": entry.published.model_dump(),
        "source": entry.source_name,
        "fidelity": entry.fidelity,
        "shape": [3, *entry.input.size],
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
    reader = _imported(registration, Dataset)
    dataset = CheckedDataset(reader, entry.spec(root), registration.origin)
    if dataset.classes != entry.classes:
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
    }
    return Component(entry.name, identity, about), dataset


def attack_component(
    entry: AttackEntry, suite: SuiteEntry, registration: Registration
) -> tuple[PlannedAttack, AttackParameters]:
    """An attack of ``suite`` with its parameters checked and made canonical.

    Raises:
        ConfigError: a parameter, preset or goal is wrong.
    """
    component, attack = attack_of(ParameterSpec.of(entry, suite), registration)
    planned = PlannedAttack(
        component=replace(component, about={**component.about, "confidence": attack.confidence}),
        label=labels([(registration.name, attack)])[0],
        norm=attack.norm,
        budget=attack.budget,
        goals=entry.goals,
        images=suite.images if entry.images is None else entry.images,
        keep=entry.keep,
        eight_bit=entry.eight_bit,
    )
    return planned, attack


def attack_of(
    spec: ParameterSpec, registration: Registration
) -> tuple[Component, AttackParameters]:
    """The attack that ``spec`` asks for, and its identity.

    Raises:
        ConfigError: a parameter, preset or goal is wrong. PluginError: the plugin's class is.
    """
    kind = _imported(registration, AttackParameters)
    if not issubclass(kind, Attack | SteppedAttack):
        raise _broken(registration, TypeError("it is neither an Attack nor a SteppedAttack"))
    with _using(registration):
        attack = spec.checked(kind)
        check_attack(attack)
        return _parametrised(registration, attack), attack


def measurement_component(
    entry: MeasurementEntry, suite: SuiteEntry, registration: Registration
) -> tuple[PlannedMeasurement, Measurement]:
    """A measurement of ``suite``, as `attack_component`."""
    spec = ParameterSpec.of(entry, suite)
    kind = _imported(registration, Measurement)
    with _using(registration):
        measurement = spec.checked(kind)
        check_measurement(measurement)
        component = _parametrised(registration, measurement)
    images = suite.images if entry.images is None else entry.images
    planned = PlannedMeasurement(
        component=component,
        label=labels([(registration.name, measurement)])[0],
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
