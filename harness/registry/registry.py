"""The registry: models, datasets and suites by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.plugins import unknown
from harness.registry.entries import DatasetEntry, Entry, ModelEntry
from harness.registry.suites import SuiteEntry

AnyEntry = TypeVar("AnyEntry", bound=Entry)
_GLOB = re.compile(r"[*?[]")


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
        meant: set[str] = set()
        for glob in globs:
            found = self._meant(glob)
            if not found:
                raise unknown("model", glob, self.models, where=where)
            meant |= found
        return [entry for name, entry in self.models.items() if name in meant]

    def _meant(self, glob: str) -> set[str]:
        if glob in self.models and not _GLOB.search(glob):  # most are names
            return {glob}
        return {name for name, entry in self.models.items() if entry.matches(glob)}


def _get(kind: str, entries: Mapping[str, AnyEntry], name: str, where: str | None) -> AnyEntry:
    if name not in entries:
        raise unknown(kind, name, entries, where=where)
    return entries[name]
