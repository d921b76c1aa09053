"""What the registry may say: one frozen pydantic model for each kind of entry."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, PrivateAttr, model_validator

from harness.api import ConfigError, DatasetSpec, ModelSpec, Preprocessing
from harness.registry.fields import (
    Classes,
    Count,
    Fields,
    Name,
    PreprocessingEntry,
    Published,
    SourceEntry,
    Text,
    Weights,
    Word,
    models_folder,
)
from harness.registry.training import Training


@dataclass(frozen=True, slots=True)
class Origin:
    """An entry's name and where it stands; ``line`` is 1-based."""

    name: str
    file: Path
    line: int


class Entry(Fields):
    """A named entry of a file; `load` tells it where it came from."""

    _origin: Origin = PrivateAttr(Origin("?", Path("?"), 0))

    @property
    def name(self) -> str:
        return self._origin.name

    @property
    def origin(self) -> Origin:
        return self._origin

    @property
    def file(self) -> Path:
        """The registry file that the entry stands in."""
        return self._origin.file

    @property
    def source(self) -> str:
        """``file:line`` of the entry, for messages."""
        return f"{self.file}:{self._origin.line}"

    def place(self, origin: Origin) -> None:
        """Tell the entry where it stands. For `load` alone: entries do not change afterwards."""
        self._origin = origin

    def _path(self, text: str) -> Path:
        """A path of the file, relative to the file's folder."""
        return self.file.parent / text


class ModelEntry(Entry):
    """A model: which loader builds it, from what, and for which input.

    Either one loader builds it, or its weights have several sources with a loader each; `chosen`
    makes the second kind into the first.

    Attributes:
        training: its regime, `training.REGIMES` or other words; no part of its identity.
        parameters: their number.
        classes: background excluded.
        sources: the first one counts unless the user says otherwise.
        options: for the loader, which judges them.
        code: a file that building the network runs, relative to the registry file's folder.
        seeds: its weights from other training seeds, each of which `load` makes an entry of its own
            called ``NAME.SEED``.
        seed_of: the model that it is another training seed of.
    """

    own_loader: Word | None = Field(None, alias="loader")
    own_architecture: Text | None = Field(None, alias="architecture")
    family: Word = "unknown"
    training: Training = "standard"
    year: int | None = None
    layers: Count | None = None
    parameters: Count | None = None
    classes: Classes
    input: PreprocessingEntry = Field(alias="preprocessing")
    weights: Weights = Weights()
    sources: dict[Name, SourceEntry] = Field(default_factory=dict)
    published: Published = Published()
    notes: str = ""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    code: Text | None = None
    seeds: dict[Name, Weights] = Field(default_factory=dict)
    seed_of: Name | None = None

    _chosen: tuple[str, SourceEntry] | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _loader_or_sources(self) -> ModelEntry:
        if self.own_loader is None and not self.sources:
            raise ValueError("has neither a loader nor sources: give one")
        if self.sources:
            for name, value in (
                ("loader", self.own_loader),
                ("architecture", self.own_architecture),
                ("weights", self.weights != Weights()),
                ("options", self.options),
                ("code", self.code),
            ):
                if value:
                    raise ValueError(f"has sources and {name}: {name} belongs in each source")
            if self.seeds:
                raise ValueError("has sources and seeds: give each seed an entry with seed_of")
        if self.seeds and self.seed_of:
            raise ValueError("has seeds and seed_of: seeds belong in the model that it is one of")
        if dotted := [seed for seed in self.seeds if "." in seed]:
            raise ValueError(f"has a seed {dotted[0]!r}: leave out the dot, which comes before it")
        return self

    def seeded(self) -> dict[str, ModelEntry]:
        """The entries of its other training seeds, by their names."""
        return {
            f"{self.name}.{seed}": self.model_copy(
                update={
                    "own_architecture": self.architecture,
                    "weights": weights,
                    "published": Published(),  # of the model's own weights
                    "seeds": {},
                    "seed_of": self.name,
                }
            )
            for seed, weights in self.seeds.items()
        }

    @property
    def seed(self) -> str | None:
        """Its training seed, where that is the end of its name."""
        if self.seed_of is None:
            return None
        start = f"{self.seed_of}."
        return self.name.removeprefix(start) if self.name.startswith(start) else None

    def matches(self, glob: str) -> bool:
        """Whether a glob of models means it; training seeds only where it has a part for them.

        ``digits-*`` are the models themselves, ``digits-*.*`` their other seeds.
        """
        if self.seed is None or self.name == glob:
            return fnmatchcase(self.name, glob)
        model, _, seed = glob.rpartition(".")
        return fnmatchcase(self.seed_of or "", model) and fnmatchcase(self.seed, seed)

    @property
    def loader(self) -> str:
        """A model loader plugin's component; the first source's where none is chosen yet."""
        return self.own_loader or next(iter(self.sources.values())).loader

    @property
    def architecture(self) -> str:
        """What to build, in the loader's words; the entry's name where the registry is silent."""
        return self.own_architecture or self.name

    @property
    def preprocessing(self) -> Preprocessing:
        return self.input.value

    @property
    def weights_path(self) -> Path | None:
        """The weight file that the registry names; it may not exist."""
        if self.weights.cached is not None:
            return models_folder() / self.weights.cached
        return None if self.weights.file is None else self._path(self.weights.file)

    @property
    def code_path(self) -> Path | None:
        """The file of the user's own that building the network runs; it may not exist."""
        return None if self.code is None else self._path(self.code)

    @property
    def source_name(self) -> str | None:
        """The source that was chosen; None for an entry without any."""
        return None if self._chosen is None else self._chosen[0]

    @property
    def chosen_source(self) -> SourceEntry | None:
        """What the registry says of the source that was chosen."""
        return None if self._chosen is None else self._chosen[1]

    @property
    def fidelity(self) -> Literal["same_weights", "nearest"] | None:
        """Of the source that was chosen; None for an entry without any."""
        return None if self._chosen is None else self._chosen[1].fidelity

    def chosen(self, source: str | None) -> ModelEntry:
        """The entry with one of its sources in place; None: the first. Itself if it has none.

        Raises:
            ConfigError: it has no such source.
        """
        if source is None and not self.sources:
            return self
        name = next(iter(self.sources)) if source is None else source
        if name not in self.sources:
            known = ", ".join(self.sources) or "none, its loader is fixed"
            raise ConfigError(
                f"model {self.name!r} has no source {name!r}",
                where=self.source,
                hint=f"its sources: {known}",
            )
        taken = self.sources[name]
        entry = self.model_copy(
            update={
                "own_loader": taken.loader,
                "own_architecture": taken.architecture,
                "weights": taken.weights,
                "input": taken.preprocessing or self.input,
                "options": taken.options,
                "sources": {},
            }
        )
        entry._chosen = (name, taken)
        return entry

    def spec(self, weights: Path | None) -> ModelSpec:
        """The entry as its loader sees it, with the checked weight file."""
        return ModelSpec(
            name=self.name,
            architecture=self.architecture,
            weights=None if weights == self.code_path else weights,
            preprocessing=self.preprocessing,
            classes=self.classes,
            options=self.options,
            code=self.code_path,
            seed=self.seed,
        )


class DatasetEntry(Entry):
    """A dataset: which reader reads it, and where it lies unless the user says otherwise.

    Attributes:
        reader: a dataset plugin's component.
        version: changes whenever the images do; part of every cell key.
        classes: None: as many as the reader counts.
        root: relative to the registry file's folder.
        options: for the reader, which judges them.
    """

    reader: Word
    version: Word
    classes: Classes | None = None
    summary: str = ""
    licence: str = ""
    root: Text | None = None
    options: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def root_path(self) -> Path | None:
        """Where the data lie by default; it may not exist."""
        return None if self.root is None else self._path(self.root)

    def spec(self, root: Path | None) -> DatasetSpec:
        """The entry as its reader sees it; ``root`` (the user's) goes before the entry's own."""
        return DatasetSpec(self.name, root or self.root_path, self.options, self.classes)
