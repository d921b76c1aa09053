"""``harness NOUN list|show``: models, attacks, measurements, metrics ...."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.noun import Row, noun
from harness.cli.plugin_switches import disable, doctor, enable
from harness.cli.plugins_check import check
from harness.cli.plugins_new import new
from harness.cli.warned import warn_of_broken
from harness.errors import ConfigError
from harness.report.presentation import Field

if TYPE_CHECKING:
    import click

    from harness.plugins import Catalog, PluginReport, Registration
    from harness.registry import Registry
    from harness.registry.entries import DatasetEntry, Entry, ModelEntry
    from harness.registry.suites import SuiteEntry


FEW = 6
"""Names of a kind that ``plugins list`` shows; ``plugins show`` shows all."""


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
            entries=True,
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
        "training": model.training,
        "year": model.year,
        "layers": model.layers,
        "parameters": model.parameters,
        "published_top1": model.published.top1,
        "classes": model.classes,
        "loader": model.loader,
        "sources": [f"{name} ({source.fidelity})" for name, source in model.sources.items()],
        "seeds": list(model.seeds),
    }


def _model_facts(registry: Registry, model: ModelEntry) -> Row:
    facts = _entry(registry, model)
    if model.sources:
        facts["sources"] = [{"name": name, **source} for name, source in facts["sources"].items()]
    else:
        facts["architecture"] = model.architecture
    return facts


def _suite_row(registry: Registry, suite: SuiteEntry) -> Row:
    from harness.registry import builtin
    from harness.registry.plugged import origin_of

    return {
        "name": suite.name,
        "dataset": suite.dataset,
        "models": len(registry.match_models(suite.models)),
        "images": suite.images,
        "attacks": list(
            dict.fromkeys([*(attack.attack for attack in suite.attacks), *suite.composites])
        ),
        "measurements": [each.measurement for each in suite.measurements],
        "metrics": list(suite.metrics),
        "origin": origin_of(suite.file, builtin()),
        "summary": suite.summary,
    }


def _suite_facts(registry: Registry, suite: SuiteEntry) -> Row:
    matching = [model.name for model in registry.match_models(suite.models)]
    from harness.cli.uses import goals_of, members_of

    facts = _entry(registry, suite)
    facts["attacks"] = [
        {"attack": attack.attack, "goals": goals_of(attack)}
        | {name: row[name] for name in ("parameters", "preset")}
        | {name: value for name, value in row.items() if name != "goals"}
        for row, attack in zip(facts["attacks"], suite.attacks, strict=True)
    ]
    facts["composites"] = [
        {"name": name, **facts["composites"][name], "attacks": members_of(each)}
        | {"goals": goals_of(each)}
        for name, each in suite.composites.items()
    ]
    return {**facts, "matching_models": matching}


def _model(registry: Registry, name: str) -> ModelEntry:
    from harness.plugins import installed
    from harness.resolve.models import described_model
    from harness.resolve.named import read

    catalog = installed()
    other = None if name in registry.models else read(name, catalog)
    if other is None:
        return registry.get_model(name)
    return described_model(other, other.reference(None, {}, None), catalog)


models = Registered(
    [
        Field("name", "model"),
        Field("family", "family"),
        Field("training", "training"),
        Field("layers", "layers", numeric=True),
        Field("parameters", "parameters", show="{:,}".format, numeric=True),
        Field("published_top1", "published top-1 (%)", numeric=True),
        Field("loader", "loader"),
        Field("sources", "sources"),
        Field("seeds", "other seeds"),
    ],
    lambda registry: (model for model in registry.models.values() if model.seed is None),
    _model,
    _model_row,
    _model_facts,
).group("models")


def _dataset(registry: Registry, name: str) -> DatasetEntry:
    from harness.plugins import installed
    from harness.resolve.datasets import named_dataset

    return named_dataset(name, registry, installed(), where=None)


def _dataset_facts(registry: Registry, entry: DatasetEntry) -> Row:
    """The entry, and what its reader finds where the data are here."""
    from harness.errors import HarnessError
    from harness.plugins import installed
    from harness.resolve.components import dataset_component

    try:
        _, dataset = dataset_component(entry, installed(), root=None)
    except HarnessError as error:
        return {**_entry(registry, entry), "here": f"no: {error}"}
    samples, names = dataset.samples(), dataset.class_names
    counts = Counter(sample.label for sample in samples)
    return {
        **_entry(registry, entry),
        "classes": dataset.classes,
        "here": "yes",
        "images": len(samples),
        "image_size": dataset.image_size and list(dataset.image_size),
        "images_of_each_class": [
            {"label": label, "name": names[label] if names else None, "images": counts[label]}
            for label in range(dataset.classes)
        ],
    }


datasets = Registered(
    [
        Field("name", "dataset"),
        Field("reader", "reader"),
        Field("version", "version"),
        Field("classes", "classes", numeric=True),
        Field("summary", "summary"),
    ],
    lambda registry: registry.datasets.values(),
    _dataset,
    _entry,
    _dataset_facts,
).group("datasets")

suites = Registered(
    [
        Field("name", "suite"),
        Field("dataset", "dataset"),
        Field("models", "models", numeric=True),
        Field("images", "images", numeric=True),
        Field("attacks", "attacks"),
        Field("origin", "origin"),
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


def _provided(
    name: str, built_in: Callable[[], Sequence[Row]] = tuple, *, in_suites: bool = False
) -> click.Group:
    """The noun of the components whose kind is the singular of ``name``.

    Args:
        built_in: those that no plugin offers.
        in_suites: whether suites name them, those of overlays too.
    """
    word = name.removesuffix("s")

    def source(files: Sequence[Path]) -> tuple[Catalog, Sequence[Path]]:
        return _components(files), files

    def rows(known: tuple[Catalog, Sequence[Path]]) -> list[Row]:
        from harness.plugins import Kind

        return [*built_in(), *(_component(each) for each in known[0].all(Kind(word)))]

    def facts(known: tuple[Catalog, Sequence[Path]], wanted: str) -> Row:
        from harness.cli.describe import described
        from harness.cli.uses import uses
        from harness.plugins import Kind, unknown

        catalog, files = known
        others = {row["name"]: row for row in built_in()}
        if wanted in others:
            return others[wanted]
        registration = catalog.find(Kind(word), wanted)
        if registration is None:
            raise unknown(word, wanted, [*others, *(each.name for each in catalog.all(Kind(word)))])
        found = {**_component(registration), **described(registration)}
        return found | ({"in_suites": uses(_registry(files), wanted)} if in_suites else {})

    fields: list[Field[Row]] = [
        Field("name", word),
        Field("version", "version"),
        Field("plugin", "plugin"),
        Field("summary", "summary"),
    ]
    return noun(name, fields, source, rows, facts, overlays=in_suites)


attacks = _provided("attacks", in_suites=True)
measurements = _provided("measurements", in_suites=True)
metrics = _provided("metrics")
observers = _provided("observers")


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
    return [
        {
            **_plugin(report),
            "registers": [f"{kind}: {', '.join(names)}" for kind, names in offers.items()],
            "offers": offers,
        }
        for report in catalog.reports
        for offers in [_offers(report)]
    ]


def _offers(report: PluginReport) -> dict[str, list[str]]:
    """The names of each kind."""
    names: dict[str, list[str]] = {}
    for registration in report.registered:
        names.setdefault(registration.kind.label, []).append(registration.name)
    return names


def _in_short(row: Row) -> str | None:
    """``attack: pgd, noise``, a line for each kind; of many names the first and their number."""
    lines = []
    for kind, names in row["offers"].items():
        few = names if len(names) <= FEW else [*names[: FEW - 1], f"... ({len(names)} in all)"]
        lines.append(f"{kind}: {', '.join(few)}")
    return ";\n".join(lines) or None


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
        {"kind": item.kind.label, **_component(item), "target": item.target}
        for item in found[0].registered
    ]
    return {**_plugin(found[0]), "registered": registered}


plugins = noun(
    "plugins",
    [
        Field("name", "plugin"),
        Field("distribution", "distribution"),
        Field("version", "version"),
        Field("registers", "registers", text=_in_short),
        Field("status", "status"),
    ],
    _installed,
    _plugin_rows,
    _plugin_facts,
)
for each in (new, check, disable, enable, doctor):
    plugins.add_command(each)
