"""Which dataset a request means: the suite's, another one of the registry, or the user's own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from harness.api import ConfigError
from harness.plugins import Catalog, Kind, unknown
from harness.registry import DatasetEntry, Registry, SuiteEntry
from harness.registry.entries import Origin
from harness.resolve.request import Request

WHERE = "--dataset"
VERSION = "1"
"""Of a dataset that no registry names, as the first one of an entry would be."""


def choose_dataset(
    request: Request, suite: SuiteEntry, registry: Registry, catalog: Catalog
) -> DatasetEntry:
    """The suite's dataset, or the one that ``request`` puts in its place.

    Raises:
        ConfigError: it does not exist, or another one that the request places.
    """
    if request.dataset is None:
        where = f"{suite.source}: suites.{suite.name}.dataset"
        entry = registry.get_dataset(suite.dataset, where=where)
    else:
        entry = named_dataset(request.dataset, registry, catalog)
    for name in (*request.data, *request.data_on):
        if name != entry.name:
            registry.get_dataset(name, where="--data")
    return entry


def named_dataset(
    text: str, registry: Registry, catalog: Catalog, where: str | None = WHERE
) -> DatasetEntry:
    """A dataset of the registry by its name, or READER:PATH[:OPTION=VALUE...] as an entry of one.

    It is called after its file or folder, so that an entry of that name, with version "1", has the
    same results.

    Raises:
        ConfigError: there is no such dataset or reader, or an option is malformed.
    """
    reader, colon, rest = text.partition(":")
    if not colon:
        return registry.get_dataset(text, where=where)
    readers = [known.name for known in catalog.all(Kind.DATASET)]
    if reader not in readers:
        raise unknown("dataset reader", reader, readers, where, "`harness plugins list`")
    path, options = split_options(rest, where=text)
    if not path:
        raise ConfigError("no path is given", where=where, hint=f"write {reader}:PATH")
    name = entry_name(Path(path).absolute())
    if name in registry.datasets:
        name = f"{name}-{reader}"
    entry = DatasetEntry(reader=reader, version=VERSION, root=path, options=options)
    entry.place(Origin(name, Path(WHERE), 1))
    return entry


def with_own(registry: Registry, text: str | None, catalog: Catalog) -> Registry:
    """``registry`` with the dataset of ``text``, where that is none of its own.

    Raises:
        ConfigError: see `named_dataset`.
    """
    if text is None:
        return registry
    entry = named_dataset(text, registry, catalog)
    return replace(registry, datasets={**registry.datasets, entry.name: entry})


def split_options(text: str, *, where: str) -> tuple[str, dict[str, Any]]:
    """``PATH:a=1:b=[x, y]`` as the path and its options; values as in YAML.

    Raises:
        ConfigError: a value is malformed, or an option is given twice.
    """
    first, *given = re.split(r":(?=[A-Za-z_]\w*=)", text)
    options: dict[str, Any] = {}
    for item in given:
        name, _, value = item.partition("=")
        if name in options:
            raise ConfigError(f"{name} is given twice", where=where, hint="leave one out")
        try:
            options[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(
                f"{name}: {value!r} is no value", where=where, hint="write it as in YAML"
            ) from error
    return first, options


def entry_name(path: Path) -> str:
    """The name of a file or folder, as a registry could have it."""
    text = path.stem if path.is_file() else path.name
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).lstrip("._+-") or "data"
