"""The registry: models, datasets and suites by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from harness.plugins import unknown
from harness.registry.entries import DatasetEntry, Entry, ModelEntry, SuiteEntry

AnyEntry = TypeVar("AnyEntry", bound=Entry)


@dataclass(frozen=True, slots=True)
class Registry:
    """All entries, in the files' order."""

    models: Mapping[str, ModelEntry]
    datasets: Mapping[str, DatasetEntry]
    suites: Mapping[str, SuiteEntry]

    def get_model(self, name: str, *, where: str | None = None) -> ModelEntry:
        """The model called ``name``, or a `ConfigError` that suggests the nearest."""
        return _get("model", self.models, name, where)

    def get_dataset(self, name: str, *, where: str | None = None) -> DatasetEntry:
        """The dataset called ``name``, or a `ConfigError` that suggests the nearest."""
        return _get("dataset", self.datasets, name, where)

    def get_suite(self, name: str, *, where: str | None = None) -> SuiteEntry:
        """The suite called ``name``, or a `ConfigError` that suggests the nearest."""
        return _get("suite", self.suites, name, where)

    def match_models(self, globs: Sequence[str], *, where: str | None = None) -> list[ModelEntry]:
        """The models that match any of ``globs``, each once, in the registry's order.

        Raises:
            ConfigError: a name or glob matches nothing.
        """
        for glob in globs:
            if not any(fnmatchcase(name, glob) for name in self.models):
                raise unknown("model", glob, self.models, where=where)
        return [
            entry
            for name, entry in self.models.items()
            if any(fnmatchcase(name, glob) for glob in globs)
        ]


def _get(kind: str, entries: Mapping[str, AnyEntry], name: str, where: str | None) -> AnyEntry:
    if name not in entries:
        raise unknown(kind, name, entries, where=where)
    return entries[name]
