"""Which models a request means, and which source each one's weights come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.api import (
    ConfigError,
    Dataset,
    Described,
    HarnessError,
    MissingError,
    ModelError,
    ModelReference,
    PluginError,
)
from harness.contained import contained
from harness.plugins import Catalog, Kind, unknown
from harness.registry import ModelEntry, Registry, SuiteEntry
from harness.registry.entries import Origin
from harness.resolve.components import find_weights, model_loader
from harness.resolve.named import (
    Named,
    announce,
    checked_input,
    divided,
    left_as_it_was,
    read,
)
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
    request: Request,
    suite: SuiteEntry,
    registry: Registry,
    catalog: Catalog,
    data: Dataset | None = None,
) -> Choice:
    """The models to run.

    A glob chooses among the suite's models; one that matches none of them, among all. For models
    that no registry names see `named`. ``data``: the run's images, where they are here.

    Raises:
        ConfigError: a model, loader or source does not exist.
    """
    own = registry.match_models(suite.models, where=f"{suite.source}: suites.{suite.name}.models")
    named: dict[str, ModelEntry] = {}
    others: list[Named] = []
    for item in request.models:
        other = None if item in registry.models else read(item, catalog)
        if other is not None:
            others.append(other)
            continue
        members = [entry for entry in own if entry.matches(item)]
        found = members or registry.match_models([item], where="--models")
        named.update((entry.name, entry) for entry in found)
    chosen = [entry for entry in registry.models.values() if entry.name in named]
    if not request.models:
        chosen = own
    files, sources = divided(request.weights, others, chosen)
    sourced, notes = _sourced(chosen, sources)
    for entry in sourced:
        if entry.code_path is not None:
            announce(entry.code_path)
    described, renamed = _described(request, others, files, catalog, data)
    notes += renamed
    notes += [f"{entry.name}: {entry.notes}" for entry in described.values() if entry.notes]
    board = dict.fromkeys(entry.name for entry in (*own, *chosen, *described.values()))
    return Choice(
        models=(*sourced, *described.values()),
        board=tuple(board),
        ad_hoc=tuple(described),
        notes=tuple(notes),
    )


def _described(
    request: Request,
    others: Sequence[Named],
    files: Mapping[str, Path],
    catalog: Catalog,
    data: Dataset | None,
) -> tuple[dict[str, ModelEntry], list[str]]:
    """The entries of the models that no registry names, and lines about those that are renamed.

    Raises:
        ConfigError: two are called the same, or what is said of their images is for none.
    """
    if request.preprocessing and not others:
        raise ConfigError(
            "no model is given that no registry names",
            where="--preprocessing",
            hint="correct the registry's entry in an overlay (--registry)",
        )
    described: dict[str, ModelEntry] = {}
    taken, renamed = dict(request.known), list[str]()
    for other in others:
        like = other.reference(files.get(other.item), request.preprocessing, data)
        entry = described_model(other, like, catalog)
        renamed += _made_unique(entry, catalog, taken)
        if entry.name in described:
            raise ConfigError(
                f"two models are called {entry.name!r}",
                where="--models",
                hint="leave one out, or rename its file",
            )
        described[entry.name] = entry
    return described, renamed


def _sourced(
    models: Sequence[ModelEntry], weights: Sequence[tuple[str | None, str]]
) -> tuple[list[ModelEntry], list[str]]:
    """``models`` with their sources chosen, and a line where some lack the wanted one."""
    anywhere = [name for glob, name in weights if glob is None]
    for glob, name in weights:
        _check_source(models, glob, name)
    chosen, keep = [], []
    for entry in models:
        own = [name for glob, name in weights if glob and entry.matches(glob)]
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
    matching = [entry for entry in models if glob is None or entry.matches(glob)]
    if glob is not None and not matching:
        raise unknown("chosen model", glob, [entry.name for entry in models], where)
    without = [entry for entry in matching if name not in entry.sources]
    if without and (glob is not None or len(without) == len(matching)):
        what = "source of the chosen models" if glob is None else f"source of {without[0].name}"
        known = {source for entry in without for source in entry.sources}
        see = f"`harness models show {without[0].name}`"
        raise unknown(what, name, sorted(known), where, see)


def described_model(named: Named, reference: ModelReference, catalog: Catalog) -> ModelEntry:
    """The entry that a registry would need for a model that none names; a file gives it its name.

    Raises:
        HarnessError: the loader cannot describe the model, or not as ``reference`` says.
    """
    where = f"--models {named.item}"
    registration = catalog.get(Kind.MODEL_LOADER, named.loader, where=where)
    if not reference.text:
        raise ConfigError("no model is named", where=where, hint=f"write {named.loader}:MODEL")
    loader = model_loader(registration)
    try:
        with contained("it"):
            code = loader.code(reference.text)
            if code is not None:
                announce(code)
            with left_as_it_was(code):
                described = loader.described(reference)
        if not isinstance(described, Described):
            raise TypeError(f"{type(described).__name__} is not a Described")
        entry = _entry(named.loader, described, reference)
    except HarnessError:
        raise
    except Exception as error:
        raise PluginError(
            f"loader {named.loader!r} cannot describe it: {type(error).__name__}: {error}",
            where=where,
            hint="write a registry entry, or update the plugin",
        ) from error
    file = described.weights
    own = described.name if file is None else file.name
    entry.place(Origin(f"{named.loader}:{own}", Path("--models"), 1))
    return entry


def _made_unique(
    entry: ModelEntry, catalog: Catalog, taken: dict[str, frozenset[str]]
) -> list[str]:
    """Name the entry of a file so that the name stands for no other weights; a line if it changed.

    Hubs call every file ``model.onnx``, and a leaderboard has one row per name.

    Args:
        taken: the hashes of the weights that names stand for; this one's is added.
    """
    if entry.weights_path is None and entry.code_path is None:
        return []
    loader, _, file = entry.name.partition(":")
    try:
        weights = find_weights(entry, catalog)
    except (MissingError, ModelError):  # which is reported where the weights are needed
        return []
    path, digest = entry.code_path or weights.path, weights.sha256
    folder = f"{loader}:{path.parent.name}/{file}"
    names = (entry.name, folder, f"{folder}@{digest[:8]}")
    name = next(each for each in names if taken.get(each, frozenset()) <= {digest})
    taken[name] = frozenset({digest})
    if name == entry.name:
        return []
    line = f"{entry.name} is another model already, so {path} is called {name}"
    entry.place(Origin(name, entry.file, 1))
    return [line]


def _entry(loader: str, described: Described, reference: ModelReference) -> ModelEntry:
    """What was described, in a registry's words, with what the user said.

    Raises:
        ConfigError: they do not fit together.
    """
    weights, said = described.weights, reference.said
    if weights is not None and reference.weights is not None:
        raise ConfigError(
            f"{reference.text} has its weights in it", where="--weights", hint="leave it out"
        )
    weights = weights or reference.weights
    how = asdict(described.preprocessing)
    if "channels" in said:  # the loader's are of other channels
        how = {name: how[name] for name in how if name not in ("mean", "std")}
    fields = {
        "loader": loader,
        "architecture": described.architecture,
        "family": described.family,
        "training": described.training,
        "parameters": described.parameters,
        "classes": described.classes,
        "preprocessing": checked_input({**how, **said}),
        "weights": {} if weights is None else {"file": str(weights.absolute())},
        "notes": described.notes,
        "options": dict(reference.options),
        "code": None if described.code is None else str(described.code.absolute()),
    }
    return ModelEntry.model_validate(fields)
