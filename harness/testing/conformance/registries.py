"""Rules of registries that come with a package."""

from __future__ import annotations

import warnings
from functools import cached_property
from pathlib import Path

import yaml

from harness.kinds import Kind
from harness.plugins import Catalog, PluginReport, installed
from harness.registry import Registry, load
from harness.registry.plugged import file_of
from harness.testing.conformance.component import Component
from harness.testing.conformance.rule import Broken, Rules

rules: Rules[RegistrySubject] = Rules("registry", see="docs/plugins.md: Registries")


class RegistrySubject:
    """The registry file of a `Component`."""

    def __init__(self, component: Component) -> None:
        self.component = component

    @cached_property
    def file(self) -> Path:
        return file_of(self.component.registration)

    @cached_property
    def registry(self) -> Registry:
        """With the built-in one, as commands see both; Broken where it is left out."""
        report = PluginReport("toy", "toy", "1", [self.component.registration])
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = load(catalog=Catalog([report]))
        for warning in told:
            if "is left out" in str(warning.message):
                raise Broken(str(warning.message))
        return found

    @property
    def own(self) -> dict[str, set[str]]:
        """The names of its own entries, by section."""
        content = yaml.safe_load(self.file.read_text("utf-8")) or {}
        return {section: set(content.get(section) or {}) for section in ("models", "suites")}


def subject(component: Component) -> RegistrySubject:
    return RegistrySubject(component)


@rules.rule()
def its_file_is_there(subject: RegistrySubject) -> None:
    """Its target is a YAML file in a package."""
    assert subject.file


@rules.rule(its_file_is_there)
def it_joins_the_built_in(subject: RegistrySubject) -> None:
    """Its entries are valid, none has a name of the built-in registry, and none has code run."""
    assert subject.registry


@rules.rule(it_joins_the_built_in)
def weight_files_have_hashes(subject: RegistrySubject) -> None:
    """A weight file that comes with the package has its SHA-256 in the registry."""
    for name in sorted(subject.own["models"]):
        entry = subject.registry.models[name]
        for weights in (entry.weights, *(each.weights for each in entry.sources.values())):
            if weights.file is not None and weights.sha256 is None:
                raise Broken(f"{weights.file} of model {name} has none")


@rules.rule(it_joins_the_built_in)
def its_components_are_offered(subject: RegistrySubject) -> None:
    """Every loader, attack, measurement and metric that its entries name is offered by a plugin
    that is installed.
    """
    catalog = installed()
    wanted: dict[tuple[Kind, str], str] = {}
    for name in sorted(subject.own["suites"]):
        suite = subject.registry.suites[name]
        wanted |= {(Kind.ATTACK, each.attack): name for each in suite.attacks}
        wanted |= {(Kind.MEASUREMENT, each.measurement): name for each in suite.measurements}
        wanted |= {(Kind.METRIC, each): name for each in suite.metrics}
    for name in sorted(subject.own["models"]):
        entry = subject.registry.models[name]
        loaders = [each.loader for each in entry.sources.values()] or [entry.loader]
        wanted |= {(Kind.MODEL_LOADER, each): name for each in loaders}
    for (kind, name), where in wanted.items():
        if catalog.find(kind, name) is None:
            raise Broken(f"{where} names {kind.label} {name!r}, which nobody offers")
