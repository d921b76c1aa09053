"""What the registry may say: one frozen pydantic model for each kind of entry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, PrivateAttr, model_validator

from harness.api import ConfigError, DatasetSpec, Goal, ModelSpec, Preprocessing
from harness.definition import Numerics
from harness.registry.fields import (
    Classes,
    Count,
    Fields,
    Goals,
    Name,
    Names,
    PreprocessingEntry,
    Published,
    SourceEntry,
    Text,
    Weights,
    Word,
    models_folder,
)


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
        parameters: their number.
        classes: background excluded.
        sources: the first one counts unless the user says otherwise.
        options: for the loader, which judges them.
    """

    own_loader: Word | None = Field(None, alias="loader")
    own_architecture: Text | None = Field(None, alias="architecture")
    family: Word
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
            ):
                if value:
                    raise ValueError(f"has sources and {name}: {name} belongs in each source")
        return self

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
            weights=weights,
            preprocessing=self.preprocessing,
            classes=self.classes,
            options=self.options,
        )


class DatasetEntry(Entry):
    """A dataset: which reader reads it, and where it lies unless the user says otherwise.

    Attributes:
        reader: a dataset plugin's component.
        version: changes whenever the images do; part of every cell key.
        root: relative to the registry file's folder.
        options: for the reader, which judges them.
    """

    reader: Word
    version: Word
    classes: Classes
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


class AttackEntry(Entry):
    """An attack of a suite. Its class judges ``parameters`` and ``preset``, later.

    Attributes:
        images: how many of the plan's images are attacked; None: as many as the suite says.
        keep: whether the adversarial images are kept.
        eight_bit: whether they are judged after rounding to 8 bits too.
    """

    attack: Word
    goals: Goals
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    preset: Word | None = None
    images: Count | None = None
    keep: bool = False
    eight_bit: bool = False


class MeasurementEntry(Entry):
    """A measurement of a suite. Its class judges ``parameters`` and ``preset``, later.

    Attributes:
        images: how many of the plan's images are measured; None: as many as the suite says.
    """

    measurement: Word
    goals: Goals = (Goal.UNTARGETED,)
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    preset: Word | None = None
    images: Count | None = None


class TransferEntry(Fields):
    """Saved adversarial examples on other models; see `harness.planning.PlannedTransfer`."""

    border: Literal["white", "grey"] = "white"
    keep_sets: bool = True


class SuiteEntry(Entry):
    """What a run does.

    Attributes:
        models: names or globs; the registry's order counts.
        images: how many images are attacked, the first ones of the plan order; None: all.
        accuracy_images: how many images measure the accuracy; None: all.
        transfer: of every attack with ``keep``; None: no transfer.
        numerics: what gradients are computed in.
    """

    summary: str = ""
    dataset: Word
    models: Names
    images: Count | None = None
    accuracy_images: Count | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    attacks: Annotated[tuple[AttackEntry, ...], Field(strict=False)] = ()
    measurements: Annotated[tuple[MeasurementEntry, ...], Field(strict=False)] = ()
    transfer: TransferEntry | None = None
    numerics: Numerics = "fp32"
    metrics: Names

    @model_validator(mode="after")
    def _something_is_kept(self) -> SuiteEntry:
        if self.transfer is not None and not any(attack.keep for attack in self.attacks):
            raise ValueError("has transfer, but no attack keeps its images: set keep: true")
        return self
