"""Loading: the built-in registry, then overlays, validated entry by entry and as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import Field, ValidationError

from harness.errors import ConfigError
from harness.registry.document import Document
from harness.registry.entries import DatasetEntry, Entry, ModelEntry, Origin, SuiteEntry
from harness.registry.fields import Fields, Name
from harness.registry.messages import complaint
from harness.registry.registry import Registry


class File(Fields):
    """The sections of one file."""

    models: dict[Name, ModelEntry] = Field(default_factory=dict)
    datasets: dict[Name, DatasetEntry] = Field(default_factory=dict)
    suites: dict[Name, SuiteEntry] = Field(default_factory=dict)


def builtin() -> Path:
    """The built-in registry: inside an installed package, beside it in a checkout.

    Raises:
        ConfigError: it is in neither place.
    """
    package = Path(__file__).parents[1]
    for folder in (package, package.parent):
        if (folder / "registry.yaml").is_file():
            return folder / "registry.yaml"
    raise ConfigError(
        "the built-in registry.yaml is missing", where=str(package), hint="reinstall the harness"
    )


def load(overlays: Sequence[Path] = ()) -> Registry:
    """The built-in registry and ``overlays``; a later file replaces whole entries.

    Raises:
        ConfigError: a file cannot be read or is wrong, with file, line and field.
    """
    models: dict[str, ModelEntry] = {}
    datasets: dict[str, DatasetEntry] = {}
    suites: dict[str, SuiteEntry] = {}
    documents: dict[Path, Document] = {}
    for path in (builtin(), *overlays):
        documents[path] = document = Document(path)
        file = _validate(document)
        models |= file.models
        datasets |= file.datasets
        suites |= file.suites
    registry = Registry(
        MappingProxyType(models), MappingProxyType(datasets), MappingProxyType(suites)
    )
    for suite in suites.values():
        _check_references(registry, suite, documents[suite.file])
    return registry


def _validate(document: Document) -> File:
    try:
        file = File.model_validate(document.data)
    except ValidationError as error:
        raise complaint(error, document, File) from error
    for loc, name, entry in _entries(file):
        entry.place(Origin(name, document.path, document.line(loc)))
    return file


def _entries(file: File) -> Iterator[tuple[tuple[str | int, ...], str, Entry]]:
    for name, model in file.models.items():
        yield ("models", name), name, model
    for name, dataset in file.datasets.items():
        yield ("datasets", name), name, dataset
    for name, suite in file.suites.items():
        yield ("suites", name), name, suite
        for position, attack in enumerate(suite.attacks):
            yield ("suites", name, "attacks", position), attack.attack, attack
        for position, each in enumerate(suite.measurements):
            yield ("suites", name, "measurements", position), each.measurement, each


def _check_references(registry: Registry, suite: SuiteEntry, document: Document) -> None:
    """A suite's dataset and models exist, in its own file, an earlier or a later one."""
    path = ("suites", suite.name)
    registry.get_dataset(suite.dataset, where=document.where((*path, "dataset")))
    for position, glob in enumerate(suite.models):
        registry.match_models([glob], where=document.where((*path, "models", position)))
