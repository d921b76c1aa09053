"""Which models a request means, and which source each one's weights come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from harness.api import (
    ConfigError,
    Described,
    HarnessError,
    MissingError,
    ModelError,
    PluginError,
)
from harness.contained import contained
from harness.plugins import Catalog, Kind, unknown
from harness.registry import DatasetEntry, ModelEntry, Registry, SuiteEntry
from harness.registry.entries import Origin
from harness.resolve.components import find_weights, model_loader
from harness.resolve.request import Request

AD_HOC = "ad hoc"
"""The source of a model that no registry names."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The models of a request.

    Attributes:
        models: those to run, each with its source chosen: the registry's in its order, then those
            that it does not name.
        board: the names of all models of the leaderboard: the suite's, and others requested.
        ad_hoc: the names of the models that no registry names.
        notes: lines that the user should read before the run.
    """

    models: tuple[ModelEntry, ...]
    board: tuple[str, ...]
    ad_hoc: tuple[str, ...]
    notes: tuple[str, ...]


def choose_models(
    request: Request, suite: SuiteEntry, registry: Registry, catalog: Catalog
) -> Choice:
    """The models to run.

    A glob chooses among the suite's models; one that matches none of them, among all. LOADER:MODEL
    is a model that the loader describes.

    Raises:
        ConfigError: a model, loader or source does not exist.
    """
    own = registry.match_models(suite.models, where=f"{suite.source}: suites.{suite.name}.models")
    named: dict[str, ModelEntry] = {}
    described: dict[str, ModelEntry] = {}
    taken, renamed = dict(request.known), list[str]()
    for item in request.models:
        if ":" in item:  # no name in a registry has one
            entry = described_model(item, catalog)
            renamed += _made_unique(entry, catalog, taken)
            if entry.name in described:
                raise ConfigError(
                    f"two models are called {entry.name!r}",
                    where="--models",
                    hint="leave one out, or rename its file",
                )
            described[entry.name] = entry
            continue
        members = [entry for entry in own if fnmatchcase(entry.name, item)]
        found = members or registry.match_models([item], where="--models")
        named.update((entry.name, entry) for entry in found)
    chosen = [entry for entry in registry.models.values() if entry.name in named]
    if not request.models:
        chosen = own
    sourced, notes = _sourced(chosen, request.weights)
    notes += renamed
    notes += [f"{entry.name}: {entry.notes}" for entry in described.values() if entry.notes]
    board = dict.fromkeys(entry.name for entry in (*own, *chosen, *described.values()))
    return Choice(
        models=(*sourced, *described.values()),
        board=tuple(board),
        ad_hoc=tuple(described),
        notes=tuple(notes),
    )


def choose_dataset(request: Request, suite: SuiteEntry, registry: Registry) -> DatasetEntry:
    """The suite's dataset.

    Raises:
        ConfigError: it does not exist, or another one that the request places.
    """
    for name in (*request.data, *request.data_on):
        registry.get_dataset(name, where="--data")
    where = f"{suite.source}: suites.{suite.name}.dataset"
    return registry.get_dataset(suite.dataset, where=where)


def _sourced(
    models: Sequence[ModelEntry], weights: Sequence[tuple[str | None, str]]
) -> tuple[list[ModelEntry], list[str]]:
    """``models`` with their sources chosen, and a line where some lack the wanted one."""
    anywhere = [name for glob, name in weights if glob is None]
    for glob, name in weights:
        _check_source(models, glob, name)
    chosen, keep = [], []
    for entry in models:
        own = [name for glob, name in weights if glob and fnmatchcase(entry.name, glob)]
        common = [name for name in anywhere if name in entry.sources]
        if anywhere and not (own or common):
            keep.append(entry.name)
        # The last of a model's own counts, and before it whatever is wanted of all.
        chosen.append(entry.chosen(own[-1] if own else next(iter(common), None)))
    wanted = " or ".join(anywhere)
    notes = [f"no weights from {wanted}, the first source is taken: {', '.join(keep)}"]
    return chosen, notes if keep else []


def _check_source(models: Sequence[ModelEntry], glob: str | None, name: str) -> None:
    """Some chosen model has the source ``name``; with a glob, all that match it do."""
    where = "--weights"
    matching = [entry for entry in models if glob is None or fnmatchcase(entry.name, glob)]
    if glob is not None and not matching:
        raise unknown("chosen model", glob, [entry.name for entry in models], where)
    without = [entry for entry in matching if name not in entry.sources]
    if without and (glob is not None or len(without) == len(matching)):
        what = "source of the chosen models" if glob is None else f"source of {without[0].name}"
        known = {source for entry in without for source in entry.sources}
        see = f"`harness models show {without[0].name}`"
        raise unknown(what, name, sorted(known), where, see)


def described_model(item: str, catalog: Catalog) -> ModelEntry:
    """The entry that a registry would need for ``item``, LOADER:MODEL; a file gives it its name.

    Raises:
        HarnessError: no such loader, or the loader cannot describe the model.
    """
    name, _, reference = item.partition(":")
    where = f"--models {item}"
    registration = catalog.find(Kind.MODEL_LOADER, name)
    if registration is None:
        loaders = [known.name for known in catalog.all(Kind.MODEL_LOADER)]
        raise unknown("model loader", name, loaders, "--models", "`harness plugins list`")
    if not reference:
        raise ConfigError("no model is named", where=where, hint=f"write {name}:MODEL")
    loader = model_loader(registration)
    try:
        with contained("it"):
            described = loader.describe(reference)
        if not isinstance(described, Described):
            raise TypeError(f"{type(described).__name__} is not a Described")
        entry = _entry(name, described)
    except HarnessError:
        raise
    except Exception as error:
        raise PluginError(
            f"loader {name!r} cannot describe it: {type(error).__name__}: {error}",
            where=where,
            hint="write a registry entry, or update the plugin",
        ) from error
    file = described.weights
    own = described.name if file is None else file.name
    entry.place(Origin(f"{name}:{own}", Path("--models"), 1))
    return entry


def _made_unique(
    entry: ModelEntry, catalog: Catalog, taken: dict[str, frozenset[str]]
) -> list[str]:
    """Name the entry of a file so that the name stands for no other weights; a line if it changed.

    Hubs call every file ``model.onnx``, and a leaderboard has one row per name.

    Args:
        taken: the hashes of the weights that names stand for; this one's is added.
    """
    if entry.weights_path is None:
        return []
    loader, _, file = entry.name.partition(":")
    try:
        weights = find_weights(entry, catalog)
    except (MissingError, ModelError):  # which is reported where the weights are needed
        return []
    path, digest = weights.path, weights.sha256
    folder = f"{loader}:{path.parent.name}/{file}"
    names = (entry.name, folder, f"{folder}@{digest[:8]}")
    name = next(each for each in names if taken.get(each, frozenset()) <= {digest})
    taken[name] = frozenset({digest})
    if name == entry.name:
        return []
    line = f"{entry.name} is another model already, so {path} is called {name}"
    entry.place(Origin(name, entry.file, 1))
    return [line]


def _entry(loader: str, described: Described) -> ModelEntry:
    """What was described, in a registry's words."""
    weights = described.weights
    return ModelEntry.model_validate(
        {
            "loader": loader,
            "architecture": described.architecture,
            "family": described.family,
            "parameters": described.parameters,
            "classes": described.classes,
            "preprocessing": asdict(described.preprocessing),
            "weights": {} if weights is None else {"file": str(weights.absolute())},
            "notes": described.notes,
        }
    )
