"""``harness NOUN list|show``: models, attacks, measurements, metrics ...; ``models import``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.models_import import import_models
from harness.cli.noun import Row, noun
from harness.errors import ConfigError
from harness.report.tables import Column
from harness.terminal import echo

if TYPE_CHECKING:
    from harness.plugins import Catalog, PluginReport, Registration
    from harness.registry import Registry
    from harness.registry.entries import Entry


def _registry(files: Sequence[Path]) -> Registry:
    from harness.registry import load

    return load(files)


def _plugins(files: Sequence[Path]) -> Catalog:
    from harness.plugins import installed

    return installed()


def _components(files: Sequence[Path]) -> Catalog:
    """The components; broken plugins, whose components are missing, are named on stderr."""
    catalog = _plugins(files)
    for report in catalog.broken:
        where = f"plugin {report.name} ({report.distribution} {report.version})"
        echo(f"warning: {where} is {report.status}", err=True)
    return catalog


def _entry(entry: Entry) -> dict[str, Any]:
    """An entry as the registry file would spell it in full."""
    return {"name": entry.name, **entry.model_dump(mode="json", by_alias=True)}


def _model_rows(registry: Registry) -> list[Row]:
    return [
        {
            "name": model.name,
            "family": model.family,
            "year": model.year,
            "layers": model.layers,
            "parameters": model.parameters,
            "published_top1": model.published.top1,
            "classes": model.classes,
            "loader": model.loader,
            "sources": [f"{name} ({source.fidelity})" for name, source in model.sources.items()],
        }
        for model in registry.models.values()
    ]


def _model_facts(registry: Registry, name: str) -> Row:
    model = registry.get_model(name)
    facts = _entry(model)
    if model.sources:
        facts["sources"] = [{"name": name, **source} for name, source in facts["sources"].items()]
    else:
        facts["architecture"] = model.architecture
    return {**facts, "source": model.source}


def _dataset_rows(registry: Registry) -> list[Row]:
    return [_entry(dataset) for dataset in registry.datasets.values()]


def _dataset_facts(registry: Registry, name: str) -> Row:
    dataset = registry.get_dataset(name)
    return {**_entry(dataset), "source": dataset.source}


def _suite_rows(registry: Registry) -> list[Row]:
    return [
        {
            "name": suite.name,
            "dataset": suite.dataset,
            "models": len(registry.match_models(suite.models)),
            "images": suite.images,
            "attacks": list(dict.fromkeys(attack.attack for attack in suite.attacks)),
            "measurements": [each.measurement for each in suite.measurements],
            "metrics": list(suite.metrics),
            "summary": suite.summary,
        }
        for suite in registry.suites.values()
    ]


def _suite_facts(registry: Registry, name: str) -> Row:
    suite = registry.get_suite(name)
    matching = [model.name for model in registry.match_models(suite.models)]
    return {**_entry(suite), "matching_models": matching, "source": suite.source}


def _component(registration: Registration) -> dict[str, Any]:
    return {
        "name": registration.name,
        "version": registration.version,
        "plugin": registration.plugin,
        "distribution": registration.distribution,
        "summary": registration.summary,
    }


def _attack_rows(catalog: Catalog) -> list[Row]:
    from harness.plugins import Kind

    return [_component(attack) for attack in catalog.all(Kind.ATTACK)]


def _measurement_rows(catalog: Catalog) -> list[Row]:
    from harness.plugins import Kind

    return [_component(measurement) for measurement in catalog.all(Kind.MEASUREMENT)]


def _measurement_facts(catalog: Catalog, name: str) -> Row:
    from harness.cli.describe import measurement_facts
    from harness.plugins import Kind

    registration = catalog.get(Kind.MEASUREMENT, name)
    return {**_component(registration), **measurement_facts(registration)}


def _metric_rows(catalog: Catalog) -> list[Row]:
    from harness.plugins import Kind

    return [_component(metric) for metric in catalog.all(Kind.METRIC)]


def _attack_facts(catalog: Catalog, name: str) -> Row:
    from harness.cli.describe import attack_facts
    from harness.plugins import Kind

    registration = catalog.get(Kind.ATTACK, name)
    return {**_component(registration), **attack_facts(registration)}


def _metric_facts(catalog: Catalog, name: str) -> Row:
    from harness.cli.describe import metric_facts
    from harness.plugins import Kind

    registration = catalog.get(Kind.METRIC, name)
    return {**_component(registration), **metric_facts(registration)}


def _plugin(report: PluginReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "distribution": report.distribution,
        "version": report.version,
        "status": report.status,
    }


def _plugin_rows(catalog: Catalog) -> list[Row]:
    return [{**_plugin(report), "registers": _registers(report)} for report in catalog.reports]


def _registers(report: PluginReport) -> list[str]:
    """Each kind with its names: ``attack: fgsm, ifgsm``."""
    names: dict[str, list[str]] = {}
    for registration in report.registered:
        names.setdefault(registration.kind.replace("_", " "), []).append(registration.name)
    return [f"{kind}: {', '.join(those)}" for kind, those in names.items()]


def _plugin_facts(catalog: Catalog, name: str) -> Row:
    """One plugin, called by its entry point's name, or as DISTRIBUTION:NAME."""
    from harness.plugins import unknown

    full = {f"{report.distribution}:{report.name}": report for report in catalog.reports}
    found = [report for key, report in full.items() if name in (key, report.name)]
    if not found:
        raise unknown("plugin", name, [*full, *(report.name for report in catalog.reports)])
    if len(found) > 1:
        choices = " or ".join(f"{report.distribution}:{report.name}" for report in found)
        raise ConfigError(f"several plugins are called {name!r}", hint=f"use {choices}")
    registered = [
        {"kind": item.kind.replace("_", " "), **_component(item), "target": item.target}
        for item in found[0].registered
    ]
    return {**_plugin(found[0]), "registered": registered}


models = noun(
    "models",
    [
        Column("name", "model"),
        Column("family", "family"),
        Column("layers", "layers", right=True),
        Column("parameters", "parameters", "{:,}".format, right=True),
        Column("published_top1", "published top-1 %", right=True),
        Column("loader", "loader"),
        Column("sources", "sources"),
    ],
    _registry,
    _model_rows,
    _model_facts,
    overlays=True,
)
models.add_command(import_models)
datasets = noun(
    "datasets",
    [
        Column("name", "dataset"),
        Column("reader", "reader"),
        Column("version", "version"),
        Column("classes", "classes", right=True),
        Column("summary", "summary"),
    ],
    _registry,
    _dataset_rows,
    _dataset_facts,
    overlays=True,
)
suites = noun(
    "suites",
    [
        Column("name", "suite"),
        Column("dataset", "dataset"),
        Column("models", "models", right=True),
        Column("images", "images", right=True),
        Column("attacks", "attacks"),
        Column("summary", "summary"),
    ],
    _registry,
    _suite_rows,
    _suite_facts,
    overlays=True,
)
_COMPONENT_COLUMNS = [
    Column("version", "version"),
    Column("plugin", "plugin"),
    Column("summary", "summary"),
]
attacks = noun(
    "attacks",
    [Column("name", "attack"), *_COMPONENT_COLUMNS],
    _components,
    _attack_rows,
    _attack_facts,
)
measurements = noun(
    "measurements",
    [Column("name", "measurement"), *_COMPONENT_COLUMNS],
    _components,
    _measurement_rows,
    _measurement_facts,
)
metrics = noun(
    "metrics",
    [Column("name", "metric"), *_COMPONENT_COLUMNS],
    _components,
    _metric_rows,
    _metric_facts,
)
plugins = noun(
    "plugins",
    [
        Column("name", "plugin"),
        Column("distribution", "distribution"),
        Column("version", "version"),
        Column("registers", "registers"),
        Column("status", "status"),
    ],
    _plugins,
    _plugin_rows,
    _plugin_facts,
)
