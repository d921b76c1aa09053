"""Loading: the built-in registry, plugins', then overlays, by the entry and as a whole."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import Field, ValidationError

from harness.errors import ConfigError
from harness.plugins import Catalog, Kind, installed
from harness.registry.document import Document, dotted
from harness.registry.entries import DatasetEntry, Entry, ModelEntry, Origin
from harness.registry.extends import Draft, extended
from harness.registry.fields import Fields, Name, Names
from harness.registry.messages import complaint, explained
from harness.registry.plugged import file_of, origin_of
from harness.registry.registry import Registry
from harness.registry.suites import SuiteDraft, SuiteEntry


class Defaults(Fields):
    """What the suites of a file have where they are silent.

    Attributes:
        metrics: None: those of the built-in registry.
    """

    metrics: Names | None = None


class File(Fields):
    """The sections of one file."""

    models: dict[Name, ModelEntry] = Field(default_factory=dict)
    datasets: dict[Name, DatasetEntry] = Field(default_factory=dict)
    suites: dict[Name, SuiteDraft] = Field(default_factory=dict)
    defaults: Defaults = Defaults()


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


def load(overlays: Sequence[Path] = (), catalog: Catalog | None = None) -> Registry:
    """The built-in registry, those of plugins, and ``overlays``, which replace whole entries.

    A plugin's registry that is wrong, or has an entry that is there already, is left out with a
    warning.

    Args:
        catalog: the plugins; None: the installed ones.

    Raises:
        ConfigError: a file cannot be read or is wrong, with file, line and field.
    """
    own = Document(builtin())
    file = _validate(own)
    _refuse_code(file, own)
    known = Entries(defaults=file.defaults)
    known.add(file, own)
    for offer in (installed() if catalog is None else catalog).all(Kind.REGISTRY):
        try:
            known = _joined(known, file_of(offer))
        except ConfigError as error:
            what = f"the registry {offer.name!r} of {offer.who} is left out: {error}"
            warnings.warn(what, stacklevel=2)
    for path in overlays:
        document = Document(path)
        known.add(_validate(document), document)
    return known.registry


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of several files by name; of suites all that have it, in the order of the files.

    Attributes:
        defaults: of the built-in registry's suites, and of other files' where they are silent.
    """

    models: dict[str, ModelEntry] = field(default_factory=dict)
    datasets: dict[str, DatasetEntry] = field(default_factory=dict)
    suites: dict[str, list[Draft]] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)

    def add(self, file: File, document: Document) -> None:
        """Add those of a file; they replace others of their names."""
        self.models.update(file.models)
        self.datasets.update(file.datasets)
        metrics = file.defaults.metrics or self.defaults.metrics
        for name, suite in file.suites.items():
            self.suites.setdefault(name, []).append(Draft(suite, document, metrics))

    @property
    def registry(self) -> Registry:
        """
        Raises:
            ConfigError: a suite names what is not there, or lacks a field.
        """
        return replace(self._models, suites=MappingProxyType(self.whole(self.suites)))

    def whole(self, names: Iterable[str]) -> dict[str, SuiteEntry]:
        """The suites of these names, with what they extend; errors as of `registry`."""
        return extended(self.suites, names, self._models)

    @property
    def _models(self) -> Registry:
        return Registry(MappingProxyType(self.models), MappingProxyType(self.datasets), {})


def _joined(known: Entries, path: Path) -> Entries:
    """``known`` and the entries of a plugin's file.

    Raises:
        ConfigError: it cannot be read or is wrong, or one of its names is taken.
    """
    document = Document(path)
    file = _validate(document)
    _refuse_code(file, document)
    for section in ("models", "datasets", "suites"):
        there: Mapping[str, Entry | list[Draft]] = getattr(known, section)
        for name, entry in getattr(file, section).items():
            if name in there:
                found = there[name]
                other = found[-1].suite if isinstance(found, list) else found
                owner = origin_of(other.file, builtin())
                raise ConfigError(
                    f"{section[:-1]} {name!r} is in {other.source} ({owner}) too",
                    where=entry.source,
                    hint="rename one, or remove a plugin",
                )
    joined = Entries(dict(known.models), dict(known.datasets), dict(known.suites), known.defaults)
    joined.add(file, document)
    joined.whole(file.suites)
    return joined


def check(content: Mapping[str, Any], where: str) -> None:
    """Check the sections of a file that is not written yet; names may be those of other files.

    Raises:
        ConfigError: it is not valid; the line begins with ``where`` and names the field.
    """
    try:
        File.model_validate(content)
    except ValidationError as error:
        loc, what, remedy = explained(error, content, File)
        raise ConfigError(what, where=f"{where}: {dotted(loc)}", hint=remedy) from error


def _validate(document: Document) -> File:
    try:
        file = File.model_validate(document.data)
    except ValidationError as error:
        raise complaint(error, document, File) from error
    for loc, name, entry in _entries(file):
        entry.place(Origin(name, document.path, document.line(loc)))
    return file.model_copy(update={"models": _with_seeds(file, document)})


def _with_seeds(file: File, document: Document) -> dict[str, ModelEntry]:
    """The models of a file, each with those of its other training seeds behind it."""
    found: dict[str, ModelEntry] = {}
    for name, model in file.models.items():
        found[name] = model
        for seeded, entry in model.seeded().items():
            loc = ("models", name, "seeds", seeded.removeprefix(f"{name}."))
            if seeded in file.models:
                raise ConfigError(
                    f"model {seeded!r} has an entry of its own",
                    where=document.where(loc),
                    hint="remove one of them",
                )
            entry.place(Origin(seeded, document.path, document.line(loc)))
            found[seeded] = entry
    return found


def _refuse_code(file: File, document: Document) -> None:
    """Only what the user has named by its path may have files run: no package, no download."""
    for name, model in file.models.items():
        if model.code is not None:
            raise ConfigError(
                "a registry that comes with a package cannot have files run",
                where=document.where(("models", name, "code")),
                hint="copy the entry to a file of your own, and name that with --registry",
            )


def _entries(file: File) -> Iterator[tuple[tuple[str | int, ...], str, Entry]]:
    for name, model in file.models.items():
        yield ("models", name), name, model
    for name, dataset in file.datasets.items():
        yield ("datasets", name), name, dataset
    for name, suite in file.suites.items():
        yield ("suites", name), name, suite
        for position, attack in enumerate(suite.attacks):
            yield ("suites", name, "attacks", position), attack.attack, attack
        for composite, members in suite.composites.items():
            path = ("suites", name, "composites", composite)
            yield path, composite, members
            for position, member in enumerate(members.attacks):
                yield (*path, "attacks", position), member.attack, member
        for position, each in enumerate(suite.measurements):
            yield ("suites", name, "measurements", position), each.measurement, each
