"""What a run needs before it can begin: weights and data, and how to get what is not here.

Found out without network; nothing is made.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from harness.api import MissingError, ModelError
from harness.planning import Component
from harness.plugins import Catalog, Kind
from harness.registry import ModelEntry, Registry, SuiteEntry
from harness.resolve.checked_dataset import CheckedDataset
from harness.resolve.components import dataset_component, loader_of
from harness.resolve.composites import member_names
from harness.resolve.datasets import choose_dataset
from harness.resolve.models import AD_HOC, Choice, choose_models
from harness.resolve.request import Request
from harness.resolve.weights import CheckedWeights, checked, locate

State = Literal["present", "downloadable", "missing"]

OFFLINE = "HF_HUB_OFFLINE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A model's weights or a dataset.

    Attributes:
        source: of a model: the registry's name of it, or else the loader; of a dataset: the reader.
        fidelity: of the source, where the registry has several.
        bytes: of the weight file, where known.
        problem: why it is missing.
        how: the command or setting that gets it; empty where it is present.
        path: where it lies, or would.
        url: where it is downloaded from.
        sources: of a model all that the registry has, where `with_sources` looked; the chosen one
            too.
    """

    kind: Literal["model", "dataset"]
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
    sources: tuple[Requirement, ...] = ()


class RequirementsMissing(MissingError):
    """A run cannot begin.

    Attributes:
        rows: what is missing.
    """

    def __init__(self, what: str, rows: Sequence[Requirement], *, hint: str) -> None:
        super().__init__(what, hint=hint)
        self.rows = tuple(rows)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The requirements of a request, models first, and what is here of them.

    Attributes:
        dataset: None where it is missing.
        unoffered: what the suite names and no installed plugin offers: ``attack 'fgms'``. A run
            continues without it.
        weights: those that are here, by the model's name.
    """

    choice: Choice
    rows: tuple[Requirement, ...]
    dataset: tuple[Component, CheckedDataset] | None
    unoffered: tuple[str, ...]
    weights: Mapping[str, CheckedWeights] = field(default_factory=dict)

    def all(self, state: State) -> tuple[Requirement, ...]:
        return tuple(row for row in self.rows if row.state == state)

    def without(self, models: Collection[str]) -> Inventory:
        """The same without some models; their places on the leaderboard stay."""
        kept = tuple(entry for entry in self.choice.models if entry.name not in models)
        rows = (row for row in self.rows if row.kind != "model" or row.name not in models)
        return replace(self, choice=replace(self.choice, models=kept), rows=tuple(rows))

    def required(self, *, available: bool) -> Inventory:
        """The same if a run can begin with it; if ``available``, without the missing models.

        Raises:
            RequirementsMissing: it cannot.
        """
        missing = self.all("missing")
        without = self.without([row.name for row in missing if row.kind == "model"])
        some = self.dataset is not None and bool(without.choice.models)
        if not missing or (available and some):
            return without
        hint = "get them as described in the table"
        if some:
            hint += ", or skip them with --available"
        if available and self.dataset:
            raise RequirementsMissing("no model is left", missing, hint=hint)
        what = f"{len(missing)} of {len(self.rows)} requirements are missing"
        raise RequirementsMissing(what, missing, hint=hint)

    @property
    def to_download(self) -> str | None:
        """How much will be downloaded: ``to download: 3 files, 12.3 MB``; None: nothing."""
        rows = self.all("downloadable")
        if not rows:
            return None
        total = sum(row.bytes or 0 for row in rows)
        unknown = sum(row.bytes is None for row in rows)
        files = "1 file" if len(rows) == 1 else f"{len(rows)} files"
        size = f"{total / 1e6:,.1f} MB" if unknown < len(rows) else "of unknown size"
        more = f", and {unknown} of unknown size" if 0 < unknown < len(rows) else ""
        return f"to download: {files}, {size}{more}"


def check_requirements(request: Request, registry: Registry, catalog: Catalog) -> Inventory:
    """What ``request`` needs, and whether it is here.

    Raises:
        ConfigError: a name is wrong. PluginError: a loader or reader cannot be imported.
    """
    suite = registry.get_suite(request.suite)
    data, dataset = _dataset(request, suite, registry, catalog)
    choice = choose_models(request, suite, registry, catalog, dataset and dataset[1])
    models = [_model(entry, choice, registry, catalog) for entry in choice.models]
    return Inventory(
        choice,
        rows=(*(row for row, _ in models), data),
        dataset=dataset,
        unoffered=_unoffered(suite, catalog),
        weights={row.name: weights for row, weights in models if weights is not None},
    )


def with_sources(inventory: Inventory, registry: Registry, catalog: Catalog) -> Inventory:
    """``inventory`` with every source of each model, whichever is chosen."""
    rows = tuple(
        replace(row, sources=_sources(row, registry.models[row.name], catalog))
        if row.kind == "model" and row.name in registry.models
        else row
        for row in inventory.rows
    )
    return replace(inventory, rows=rows)


def _sources(row: Requirement, entry: ModelEntry, catalog: Catalog) -> tuple[Requirement, ...]:
    found = []
    for name in entry.sources:
        chosen = entry.chosen(name)
        blank = Requirement(
            kind="model", name=row.name, source=name, fidelity=chosen.fidelity, state="missing"
        )
        found.append(_located(blank, chosen, catalog)[0])
    return tuple(found)


def _unoffered(suite: SuiteEntry, catalog: Catalog) -> tuple[str, ...]:
    named = [
        *((Kind.ATTACK, entry.attack) for entry in suite.attacks),
        *((Kind.ATTACK, name) for name in member_names(suite)),
        *((Kind.MEASUREMENT, entry.measurement) for entry in suite.measurements),
        *((Kind.METRIC, name) for name in suite.metrics),
    ]
    return tuple(f"{kind} {name!r}" for kind, name in dict.fromkeys(named)
                 if catalog.find(kind, name) is None)  # fmt: skip


def offline() -> bool:
    """Whether the user forbids downloads; huggingface_hub reads the variable in the same way."""
    return os.environ.get(OFFLINE, "").upper() in ("1", "ON", "YES", "TRUE")


def _model(
    entry: ModelEntry, choice: Choice, registry: Registry, catalog: Catalog
) -> tuple[Requirement, CheckedWeights | None]:
    ad_hoc = entry.name in choice.ad_hoc
    row = Requirement(
        kind="model",
        name=entry.name,
        source=AD_HOC if ad_hoc else entry.source_name or entry.loader,
        fidelity=entry.fidelity,
        state="missing",
    )
    row, weights = _located(row, entry, catalog)
    if row.state == "missing" and not ad_hoc:
        row = replace(row, how=_or_else(row, registry.models[entry.name], catalog))
    return row, weights


def _located(
    row: Requirement, entry: ModelEntry, catalog: Catalog
) -> tuple[Requirement, CheckedWeights | None]:
    """``row`` with what is known about the weights of ``entry``, and those that are here."""
    loader = loader_of(entry, catalog)
    try:
        found = locate(entry, loader)
    except (MissingError, ModelError) as error:
        return replace(row, problem=error.what, how=error.hint or ""), None
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
            weights = checked(entry, loader, found)
        except (MissingError, ModelError) as error:
            return replace(row, problem=error.what, how=error.hint or ""), None
        return replace(row, state="present", how=""), weights
    if found.path is not None and found.url is None:
        return replace(row, problem=f"{found.path} is not there"), None
    if offline():
        how = f"unset {OFFLINE}, or copy the file from a machine that has it"
        how = how if found.url else found.how  # a loader that reads the variable explains it better
        return replace(row, problem=f"not here, and offline ({OFFLINE} is set)", how=how), None
    if found.url is None:
        return replace(row, problem="not here"), None
    how = found.how or "downloaded before the run begins"
    return replace(row, state="downloadable", how=how), None


def _or_else(row: Requirement, entry: ModelEntry, catalog: Catalog) -> str:
    """How to get what is missing, and which other source of the model would do."""
    others = [name for name in entry.sources if name != row.source]
    for name in others:
        if _located(row, entry.chosen(name), catalog)[0].state != "missing":
            return f"{row.how}; or --weights {entry.name}={name}"
    return row.how


def _dataset(
    request: Request, suite: SuiteEntry, registry: Registry, catalog: Catalog
) -> tuple[Requirement, tuple[Component, CheckedDataset] | None]:
    entry = choose_dataset(request, suite, registry, catalog)
    root = request.data.get(entry.name)
    row = Requirement(
        kind="dataset",
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
