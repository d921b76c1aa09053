"""What the registry may say: one frozen pydantic model for each kind of entry."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, PrivateAttr

from harness.api import DatasetSpec, Goal, ModelSpec, Preprocessing

Items = TypeVar("Items", bound=tuple[Hashable, ...])


def _distinct(values: Items) -> Items:
    if len(set(values)) != len(values):
        raise ValueError("the list names something twice")
    return values


# YAML has lists and text where Python has tuples and enums; everything else is taken strictly.
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
Positive = Annotated[float, Field(gt=0)]
Size = Annotated[tuple[Count, Count], Field(strict=False)]
Mean = Annotated[tuple[float, float, float], Field(strict=False)]
Deviation = Annotated[tuple[Positive, Positive, Positive], Field(strict=False)]
Names = Annotated[tuple[Text, ...], Field(strict=False, min_length=1), AfterValidator(_distinct)]
Goals = Annotated[
    tuple[Annotated[Goal, Field(strict=False)], ...],
    Field(strict=False, min_length=1),
    AfterValidator(_distinct),
]


class Fields(BaseModel):
    """Fields of the registry: frozen, strictly typed, nothing unknown, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


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


class PreprocessingEntry(Fields):
    """See `harness.api.Preprocessing`."""

    size: Size
    mean: Mean = (0.0, 0.0, 0.0)
    std: Deviation = (1.0, 1.0, 1.0)
    channels: Literal["rgb", "bgr"] = "rgb"
    background: Annotated[int, Field(ge=0)] | None = None


class Weights(Fields):
    """A weight file of the registry's own, or the hash that the loader's file must have.

    Attributes:
        file: relative to the registry file's folder; None: the loader knows where.
        sha256: 64 hex digits; None: not checked.
    """

    file: Text | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class Published(Fields):
    """Published accuracies in percent."""

    top1: Percent | None = None
    top5: Percent | None = None


class ModelEntry(Entry):
    """A model: which loader builds it, from what, and for which input.

    Attributes:
        loader: a model loader plugin's component.
        parameters: their number.
        classes: background excluded.
        options: for the loader, which judges them.
    """

    loader: Text
    own_architecture: Text | None = Field(None, alias="architecture")
    family: Text
    year: int | None = None
    layers: Count | None = None
    parameters: Count | None = None
    classes: Annotated[int, Field(ge=2)]
    input: PreprocessingEntry = Field(alias="preprocessing")
    weights: Weights = Weights()
    published: Published = Published()
    notes: str = ""
    options: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def architecture(self) -> str:
        """What to build, in the loader's words; the entry's name where the registry is silent."""
        return self.own_architecture or self.name

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing(
            size=self.input.size,
            mean=self.input.mean,
            std=self.input.std,
            channels=self.input.channels,
            background=self.input.background,
        )

    @property
    def weights_path(self) -> Path | None:
        """The weight file that the registry names; it may not exist."""
        return None if self.weights.file is None else self._path(self.weights.file)

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
    """A data set: which reader reads it, and where it lies unless the user says otherwise.

    Attributes:
        reader: a data set plugin's component.
        version: changes whenever the images do; part of every cell key.
        root: relative to the registry file's folder.
        options: for the reader, which judges them.
    """

    reader: Text
    version: Text
    classes: Annotated[int, Field(ge=2)]
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
        return DatasetSpec(self.name, root or self.root_path, self.options)


class AttackEntry(Entry):
    """An attack of a suite. Its class judges ``parameters`` and ``preset``, later.

    Attributes:
        images: how many of the plan's images are attacked; None: as many as the suite says.
        keep: whether the adversarial images are kept.
    """

    attack: Text
    goals: Goals
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    preset: Text | None = None
    images: Count | None = None
    keep: bool = False


class SuiteEntry(Entry):
    """What a run does.

    Attributes:
        models: names or globs; the registry's order counts.
        images: how many images are attacked, the first ones of the plan order; None: all.
        accuracy_images: how many images measure the accuracy; None: all.
    """

    summary: str = ""
    dataset: Text
    models: Names
    images: Count | None = None
    accuracy_images: Count | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    attacks: Annotated[tuple[AttackEntry, ...], Field(strict=False)] = ()
    metrics: Names
