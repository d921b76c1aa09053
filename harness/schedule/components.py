"""Registry entries and plugins become the plan's components, with the things they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.api import (
    Attack,
    AttackParameters,
    ConfigError,
    Dataset,
    HarnessError,
    Metric,
    MissingError,
    ModelError,
    ModelLoader,
    ModelSpec,
    PluginError,
    SteppedAttack,
)
from harness.plan import Component, PlannedAttack
from harness.plugins import Catalog, Kind, Registration, unknown
from harness.registry import AttackEntry, DatasetEntry, ModelEntry, SuiteEntry
from harness.schedule.weights import checked_weights, place


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
        "plugin": _origin(registration),
    }
    return Component(entry.name, identity, about), (loader, entry.spec(weights))


def model_loader(registration: Registration) -> ModelLoader:
    """The loader that a plugin offers."""
    loader: ModelLoader = _instance(registration, ModelLoader)
    return loader


def dataset_component(
    entry: DatasetEntry, catalog: Catalog, *, root: Path | None
) -> tuple[Component, Dataset]:
    """A data set with its reader; ``root`` is the user's place for it.

    Raises:
        MissingError: the data are not there.
    """
    where = f"{entry.source}: datasets.{entry.name}.reader"
    registration = catalog.get(Kind.DATASET, entry.reader, where=where)
    reader = _imported(registration, Dataset)
    try:
        dataset = reader(entry.spec(root))
    except HarnessError:
        raise
    except Exception as error:
        raise _broken(registration, error) from error
    identity = {
        "name": entry.name,
        "version": entry.version,
        "reader": {"name": registration.name, "version": registration.version},
        "options": dict(entry.options),
    }
    about = {
        "summary": entry.summary,
        "licence": entry.licence,
        "plugin": _origin(registration),
    }
    return Component(entry.name, identity, about), dataset


def attack_component(
    entry: AttackEntry, suite: SuiteEntry, registration: Registration
) -> tuple[PlannedAttack, AttackParameters]:
    """An attack of ``suite`` with its parameters checked and made canonical.

    Raises:
        ConfigError: a parameter, preset or goal is wrong.
    """
    kind = _imported(registration, AttackParameters)
    attack = _validated(entry, suite, kind)
    if not isinstance(attack, Attack | SteppedAttack):
        raise _broken(registration, TypeError("it is neither an Attack nor a SteppedAttack"))
    for goal in entry.goals:
        if goal not in attack.goals:
            raise ConfigError(
                f"attack {entry.attack!r} cannot pursue goal {goal.value!r}",
                where=_where(suite, entry),
                hint=f"see `harness attacks show {entry.attack}`",
            )
    changed = _changed(attack)
    extra = " ".join(f"{name}={_spelled(value)}" for name, value in changed.items())
    identity = {"name": registration.name, "version": registration.version, "parameters": changed}
    about = {
        "plugin": _origin(registration),
        "summary": registration.summary,
        "parameters": attack.model_dump(mode="json"),
        "confidence": attack.confidence,
    }
    planned = PlannedAttack(
        component=Component(registration.name, identity, about),
        label=f"{registration.name} {extra}".strip(),
        norm=attack.norm,
        budget=attack.budget,
        goals=entry.goals,
        images=suite.images if entry.images is None else entry.images,
        keep=entry.keep,
        eight_bit=entry.eight_bit,
    )
    return planned, attack


def _validated(
    entry: AttackEntry, suite: SuiteEntry, kind: type[AttackParameters]
) -> AttackParameters:
    where, see = _where(suite, entry), f"`harness attacks show {entry.attack}`"
    given = dict(entry.parameters)
    if entry.preset is not None:
        if entry.preset not in kind.presets:
            raise unknown(f"preset of {entry.attack}", entry.preset, kind.presets, where, see)
        given = {**kind.presets[entry.preset], **given}
    for name in given:
        if name not in kind.model_fields:
            raise unknown(f"parameter of {entry.attack}", name, kind.model_fields, where, see)
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else "parameters"
        raise ConfigError(
            f"{field}: {first['msg']} (given: {first['input']!r})", where=where, hint=f"see {see}"
        ) from error


def _changed(attack: AttackParameters) -> dict[str, Any]:
    """The parameters that differ from their defaults, in the order of the class."""
    given = attack.model_dump(mode="json")
    return {
        name: given[name]
        for name, info in type(attack).model_fields.items()
        if info.is_required()
        or getattr(attack, name) != info.get_default(call_default_factory=True)
    }


def _spelled(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


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


def _where(suite: SuiteEntry, entry: AttackEntry) -> str:
    return f"{entry.source}: suites.{suite.name}.attacks ({entry.attack})"


def _origin(registration: Registration) -> str:
    return f"{registration.distribution}:{registration.plugin}"


def _imported(registration: Registration, base: type[Any]) -> type[Any]:
    loaded = registration.load()
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise _broken(registration, TypeError(f"{registration.target} is no {base.__name__}"))
    return loaded


def _instance(registration: Registration, base: type[Any]) -> Any:
    kind = _imported(registration, base)
    try:
        return kind()
    except Exception as error:
        raise _broken(registration, error) from error


def _broken(registration: Registration, error: Exception) -> PluginError:
    return PluginError(
        f"{registration.kind} {registration.name!r} cannot be used: "
        f"{type(error).__name__}: {error}",
        where=f"plugin {registration.plugin} ({registration.distribution})",
        hint="update or remove the plugin",
    )
