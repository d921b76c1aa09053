"""Registry entries and plugins become the plan's components, with the things they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    MissingError,
    ModelError,
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
from harness.resolve.weights import checked_weights, place
from harness.signals import stop_if_asked


def model_component(
    entry: ModelEntry, catalog: Catalog, *, planning: bool = False
) -> tuple[Component, tuple[ModelLoader, ModelSpec]]:
    """A model with its loader and what the loader is told; the weights are there and checked.

    Where ``entry`` has sources and none is chosen, the first one counts. For ``planning`` the
    weights need not be there: their hash is then the registry's, or unlike any other.

    Raises:
        MissingError: the weight file is not there, or not the registry's.
    """
    entry = entry.chosen(None)
    where = f"{place(entry)}.loader"
    registration = catalog.get(Kind.MODEL_LOADER, entry.loader, where=where)
    loader = model_loader(registration)
    try:
        weights, digest = checked_weights(entry, loader)
    except (MissingError, ModelError):
        if not planning:
            raise
        weights, digest = None, entry.weights.sha256 or f"unknown: {entry.name}"
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
    return Component(entry.name, identity, about), (loader, entry.spec(weights))


def model_loader(registration: Registration) -> ModelLoader:
    """The loader that a plugin offers."""
    loader: ModelLoader = _instance(registration, ModelLoader)
    return loader


def dataset_component(
    entry: DatasetEntry, catalog: Catalog, *, root: Path | None
) -> tuple[Component, CheckedDataset]:
    """A data set with its reader; ``root`` is the user's place for it.

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


def metric_instances(
    names: tuple[str, ...], catalog: Catalog, unavailable: list[str]
) -> Mapping[str, Metric]:
    """The metrics called ``names``; those that no plugin offers are added to ``unavailable``."""
    metrics: dict[str, Metric] = {}
    for name in names:
        registration = catalog.find(Kind.METRIC, name)
        if registration is None:
            unavailable.append(name)
        else:
            metrics[name] = _instance(registration, Metric)
    return metrics


def _imported(registration: Registration, base: type[Any]) -> type[Any]:
    loaded = registration.load()
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise _broken(registration, TypeError(f"{registration.target} is no {base.__name__}"))
    return loaded


def _instance(registration: Registration, base: type[Any]) -> Any:
    kind = _imported(registration, base)
    with _using(registration):
        return kind()


@contextmanager
def _using(registration: Registration) -> Iterator[None]:
    """A first call into what a plugin offers.

    Raises:
        PluginError: it raised something else than an error of ours.
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
