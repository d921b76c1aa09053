"""What a run needs before it can begin: weights and data, and how to get what is not here.

Found out without network; nothing is made.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.api import MissingError, ModelError
from harness.planning import Component
from harness.plugins import Catalog, Kind
from harness.registry import ModelEntry, Registry, SuiteEntry
from harness.resolve.checked_dataset import CheckedDataset
from harness.resolve.components import dataset_component, model_loader
from harness.resolve.models import AD_HOC, Choice, choose_dataset, choose_models
from harness.resolve.weights import checked_hash, locate, place

if TYPE_CHECKING:
    from harness.resolve.prepare import Request

State = Literal["present", "downloadable", "missing"]

OFFLINE = "HF_HUB_OFFLINE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A model's weights or a data set.

    Attributes:
        source: of a model: the registry's name of it, or else the loader; of a data set: the
            reader.
        fidelity: of the source, where the registry has several.
        bytes: of the weight file, where known.
        problem: why it is missing.
        how: the command or setting that gets it; empty where it is present.
        path: where it lies, or would.
        url: where it is downloaded from.
    """

    kind: Literal["model", "data set"]
    name: str
    source: str
    fidelity: str | None = None
    state: State
    bytes: int | None = None
    licence: str = ""
    problem: str = ""
    how: str = ""
    path: Path | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """The requirements of a request, models first, and what they were found out about.

    Attributes:
        dataset: None where it is missing.
        unoffered: what the suite names and no installed plugin offers: ``attack 'fgms'``. A run
            goes on without it.
    """

    choice: Choice
    rows: tuple[Requirement, ...]
    dataset: tuple[Component, CheckedDataset] | None
    unoffered: tuple[str, ...]

    def all(self, state: State) -> tuple[Requirement, ...]:
        return tuple(row for row in self.rows if row.state == state)

    def without(self, models: Collection[str]) -> Inventory:
        """The same without some models; their places on the board stay."""
        kept = tuple(entry for entry in self.choice.models if entry.name not in models)
        rows = (row for row in self.rows if row.kind != "model" or row.name not in models)
        return replace(self, choice=replace(self.choice, models=kept), rows=tuple(rows))


def check_requirements(request: Request, registry: Registry, catalog: Catalog) -> Inventory:
    """What ``request`` needs, and whether it is here.

    Raises:
        ConfigError: a name is wrong. PluginError: a loader or reader cannot be imported.
    """
    suite = registry.get_suite(request.suite)
    choice = choose_models(request, suite, registry, catalog)
    models = [_model(entry, choice, registry, catalog) for entry in choice.models]
    data, dataset = _dataset(request, suite, registry, catalog)
    return Inventory(choice, (*models, data), dataset, _unoffered(suite, catalog))


def _unoffered(suite: SuiteEntry, catalog: Catalog) -> tuple[str, ...]:
    named = [
        *((Kind.ATTACK, entry.attack) for entry in suite.attacks),
        *((Kind.MEASUREMENT, entry.measurement) for entry in suite.measurements),
        *((Kind.METRIC, name) for name in suite.metrics),
    ]
    return tuple(f"{kind} {name!r}" for kind, name in dict.fromkeys(named)
                 if catalog.find(kind, name) is None)  # fmt: skip


def offline() -> bool:
    """Whether the user forbids downloads; huggingface_hub reads the variable in the same way."""
    return os.environ.get(OFFLINE, "").upper() in ("1", "ON", "YES", "TRUE")


def _model(entry: ModelEntry, choice: Choice, registry: Registry, catalog: Catalog) -> Requirement:
    ad_hoc = entry.name in choice.ad_hoc
    row = Requirement(
        kind="model",
        name=entry.name,
        source=AD_HOC if ad_hoc else entry.source_name or entry.loader,
        fidelity=entry.fidelity,
        state="missing",
    )
    row = _located(row, entry, catalog)
    if row.state == "missing" and not ad_hoc:
        return replace(row, how=_or_else(row, registry.models[entry.name], catalog))
    return row


def _located(row: Requirement, entry: ModelEntry, catalog: Catalog) -> Requirement:
    """``row`` with what is known about the weights of ``entry``."""
    where = f"{place(entry)}.loader"
    loader = model_loader(catalog.get(Kind.MODEL_LOADER, entry.loader, where=where))
    try:
        found = locate(entry, loader)
    except (MissingError, ModelError) as error:
        return replace(row, problem=error.what, how=error.hint or "")
    row = replace(
        row,
        bytes=found.bytes,
        licence=found.licence,
        how=found.how,
        path=found.path,
        url=found.url,
    )
    if found.path is not None and found.path.exists():
        try:
            checked_hash(entry, loader, found)
        except (MissingError, ModelError) as error:
            return replace(row, problem=error.what, how=error.hint or "")
        return replace(row, state="present", how="")
    if found.path is not None and found.url is None:
        return replace(row, problem=f"{found.path} is not there")
    if offline():
        how = f"unset {OFFLINE}, or copy the file from a machine that has it"
        how = how if found.url else found.how  # a loader that looks at the variable says it better
        return replace(row, problem=f"not here, and offline ({OFFLINE} is set)", how=how)
    if found.url is None:
        return replace(row, problem="not here")
    return replace(row, state="downloadable", how=found.how or "downloaded before the run begins")


def _or_else(row: Requirement, entry: ModelEntry, catalog: Catalog) -> str:
    """How to get what is missing, and which other source of the model would do."""
    others = [name for name in entry.sources if name != row.source]
    for name in others:
        if _located(row, entry.chosen(name), catalog).state != "missing":
            return f"{row.how}; or --weights {entry.name}={name}"
    return row.how


def _dataset(
    request: Request, suite: SuiteEntry, registry: Registry, catalog: Catalog
) -> tuple[Requirement, tuple[Component, CheckedDataset] | None]:
    entry = choose_dataset(request, suite, registry)
    root = request.data.get(entry.name)
    row = Requirement(
        kind="data set",
        name=entry.name,
        source=entry.reader,
        state="missing",
        licence=entry.licence,
        path=entry.spec(root).root,
    )
    try:
        found = dataset_component(entry, catalog, root=root)
    except MissingError as error:
        problem = f"{error.where}: {error.what}" if error.where else error.what
        how = error.hint or f"--data {entry.name}=PATH"
        return replace(row, problem=problem, how=how), None
    return replace(row, state="present"), found
