"""``harness NOUN list|show``: models, attacks, measurements, metrics ...; ``models import``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.models_import import import_models
from harness.cli.noun import Row, noun
from harness.cli.warned import warn_of_broken
from harness.errors import ConfigError
from harness.report.presentation import Field

if TYPE_CHECKING:
    import click

    from harness.plugins import Catalog, PluginReport, Registration
    from harness.registry import Registry
    from harness.registry.entries import Entry, ModelEntry, SuiteEntry


@dataclass(frozen=True, slots=True)
class Registered:
    """A noun of the registry.

    Attributes:
        entries: all of them; ``get`` returns one by name.
        row: an entry in a list; ``facts`` are the whole of it.
    """

    fields: Sequence[Field[Row]]
    entries: Callable[[Registry], Iterable[Any]]
    get: Callable[[Registry, str], Any]
    row: Callable[[Registry, Any], Row]
    facts: Callable[[Registry, Any], Row]

    def group(self, name: str) -> click.Group:
        return noun(
            name,
            self.fields,
            _registry,
            lambda registry: [self.row(registry, each) for each in self.entries(registry)],
            lambda registry, wanted: self._whole(registry, self.get(registry, wanted)),
            overlays=True,
        )

    def _whole(self, registry: Registry, entry: Entry) -> Row:
        return {**self.facts(registry, entry), "source": entry.source}


def _registry(files: Sequence[Path]) -> Registry:
    from harness.registry import load

    return load(files)


def _entry(registry: Registry, entry: Entry) -> dict[str, Any]:
    """An entry as the registry file would spell it in full."""
    return {"name": entry.name, **entry.model_dump(mode="json", by_alias=True)}


def _model_row(registry: Registry, model: ModelEntry) -> Row:
    return {
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


def _model_facts(registry: Registry, model: ModelEntry) -> Row:
    facts = _entry(registry, model)
    if model.sources:
        facts["sources"] = [{"name": name, **source} for name, source in facts["sources"].items()]
    else:
        facts["architecture"] = model.architecture
    return facts


def _suite_row(registry: Registry, suite: SuiteEntry) -> Row:
    return {
        "name": suite.name,
        "dataset": suite.dataset,
        "models": len(registry.match_models(suite.models)),
        "images": suite.images,
        "attacks": list(dict.fromkeys(attack.attack for attack in suite.attacks)),
        "measurements": [each.measurement for each in suite.measurements],
        "metrics": list(suite.metrics),
        "summary": suite.summary,
    }


def _suite_facts(registry: Registry, suite: SuiteEntry) -> Row:
    matching = [model.name for model in registry.match_models(suite.models)]
    return {**_entry(registry, suite), "matching_models": matching}


models = Registered(
    [
        Field("name", "model"),
        Field("family", "family"),
        Field("layers", "layers", numeric=True),
        Field("parameters", "parameters", show="{:,}".format, numeric=True),
        Field("published_top1", "published top-1 (%)", numeric=True),
        Field("loader", "loader"),
        Field("sources", "sources"),
    ],
    lambda registry: registry.models.values(),
    lambda registry, name: registry.get_model(name),
    _model_row,
    _model_facts,
).group("models")
models.add_command(import_models)

datasets = Registered(
    [
        Field("name", "dataset"),
        Field("reader", "reader"),
        Field("version", "version"),
        Field("classes", "classes", numeric=True),
        Field("summary", "summary"),
    ],
    lambda registry: registry.datasets.values(),
    lambda registry, name: registry.get_dataset(name),
    _entry,
    _entry,
).group("datasets")

suites = Registered(
    [
        Field("name", "suite"),
        Field("dataset", "dataset"),
        Field("models", "models", numeric=True),
        Field("images", "images", numeric=True),
        Field("attacks", "attacks"),
        Field("summary", "summary"),
    ],
    lambda registry: registry.suites.values(),
    lambda registry, name: registry.get_suite(name),
    _suite_row,
    _suite_facts,
).group("suites")


def _installed(files: Sequence[Path]) -> Catalog:
    from harness.plugins import installed

    return installed()


def _components(files: Sequence[Path]) -> Catalog:
    """The components; broken plugins, whose components are missing, are named on stderr."""
    catalog = _installed(files)
    warn_of_broken(catalog)
    return catalog


def _component(registration: Registration) -> dict[str, Any]:
    return {
        "name": registration.name,
        "version": registration.version,
        "plugin": registration.plugin,
        "distribution": registration.distribution,
        "summary": registration.summary,
    }


def _provided(name: str, built_in: Callable[[], Sequence[Row]] = tuple) -> click.Group:
    """The noun of the components whose kind is the singular of ``name``.

    Args:
        built_in: those that no plugin offers.
    """
    word = name.removesuffix("s")

    def rows(catalog: Catalog) -> list[Row]:
        from harness.plugins import Kind

        return [*built_in(), *(_component(each) for each in catalog.all(Kind(word)))]

    def facts(catalog: Catalog, wanted: str) -> Row:
        from harness.cli.describe import described
        from harness.plugins import Kind, unknown

        others = {row["name"]: row for row in built_in()}
        if wanted in others:
            return others[wanted]
        registration = catalog.find(Kind(word), wanted)
        if registration is None:
            raise unknown(word, wanted, [*others, *(each.name for each in catalog.all(Kind(word)))])
        return {**_component(registration), **described(registration)}

    fields: list[Field[Row]] = [
        Field("name", word),
        Field("version", "version"),
        Field("plugin", "plugin"),
        Field("summary", "summary"),
    ]
    return noun(name, fields, _components, rows, facts)


attacks = _provided("attacks")
measurements = _provided("measurements")
metrics = _provided("metrics")


def _built_in_executors() -> Sequence[Row]:
    from harness.execute.executors.names import BUILT_IN
    from harness.plugins import BUNDLED
    from harness.version import __version__

    return [
        {
            "name": name,
            "version": __version__,
            "plugin": "(built in)",
            "distribution": BUNDLED,
            "summary": summary,
        }
        for name, summary in BUILT_IN.items()
    ]


executors = _provided("executors", _built_in_executors)


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


plugins = noun(
    "plugins",
    [
        Field("name", "plugin"),
        Field("distribution", "distribution"),
        Field("version", "version"),
        Field("registers", "registers"),
        Field("status", "status"),
    ],
    _installed,
    _plugin_rows,
    _plugin_facts,
)
