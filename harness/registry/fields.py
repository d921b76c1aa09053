"""What the entries of a registry are made of: strict fields, and the blocks inside a model."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from harness.api import Cut, Goal, Norm, Preprocessing
from harness.api.classifier import channel_count

MOST_CHANNELS = 1024

Items = TypeVar("Items", bound=tuple[Hashable, ...])


def _distinct(values: Items) -> Items:
    if len(set(values)) != len(values):
        raise ValueError("the list names something twice")
    return values


# YAML has lists and text where Python has tuples and enums; everything else is taken strictly.
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Word = Annotated[str, Field(min_length=1, max_length=200)]  # messages and tables show it whole
Count = Annotated[int, Field(ge=1, le=2**63 - 1)]  # what SQLite can hold
Percent = Annotated[float, Field(ge=0, le=100)]
Classes = Annotated[int, Field(ge=2, le=1_000_000)]
# A network's input: within these bounds float32 still tells 1/255 from 0, and an image fits.
Side = Annotated[int, Field(ge=1, le=4096)]
Shift = Annotated[float, Field(ge=-1000, le=1000)]
Scale = Annotated[float, Field(ge=1e-6, le=1000)]
Size = Annotated[tuple[Side, Side], Field(strict=False)]
Mean = Annotated[tuple[Shift, ...], Field(strict=False)]
Deviation = Annotated[tuple[Scale, ...], Field(strict=False)]
Names = Annotated[tuple[Word, ...], Field(strict=False, min_length=1), AfterValidator(_distinct)]
Goals = Annotated[
    tuple[Annotated[Goal, Field(strict=False)], ...],
    Field(strict=False, min_length=1),
    AfterValidator(_distinct),
]
# No commas, no glob characters, no spaces: names stand in comma lists and globs.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", max_length=200)]


class Fields(BaseModel):
    """Fields of the registry: frozen, strictly typed, nothing unknown, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class CutEntry(Fields):
    """See `harness.api.Cut`."""

    crop: Annotated[float, Field(gt=0, le=1)]
    interpolation: Literal["bilinear", "bicubic", "lanczos"]


def _number_or_name(value: Any, name: ValidatorFunctionWrapHandler) -> Any:
    if type(value) is int and 1 <= value <= MOST_CHANNELS:
        return {1: "grey", 3: "rgb"}.get(value, value)
    return name(value)


# Or a number, which a union of types would make two complaints of one.
ChannelsField = Annotated[Literal["rgb", "bgr", "grey"], WrapValidator(_number_or_name)]


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


_USUAL = {"mean": 0.0, "std": 1.0}


def _spread(value: Any, count: int) -> Any:
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return [value] * count if type(value) in (int, float) else value


class PreprocessingEntry(Fields):
    """See `harness.api.Preprocessing`."""

    size: Size
    mean: Mean
    std: Deviation
    channels: ChannelsField = "rgb"
    background: Annotated[int, Field(ge=0)] | None = None
    cut: CutEntry | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_for_all(cls, data: Any) -> Any:
        """One number of mean and std, or none, becomes as many as there are channels."""
        if not isinstance(data, Mapping):
            return data
        channels = data.get("channels", "rgb")
        known = channels in ("rgb", "bgr", "grey") or type(channels) is int
        count = min(channel_count(channels), MOST_CHANNELS) if known else 3
        spread = {name: _spread(data.get(name, usual), count) for name, usual in _USUAL.items()}
        return {**data, **spread}

    @model_validator(mode="after")
    def _as_many_as_channels(self) -> Self:
        count = channel_count(self.channels)
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != count:
                raise ValueError(
                    f"{name} has {len(values)} numbers for {_channels(count)}: give one, or {count}"
                )
        return self

    @property
    def value(self) -> Preprocessing:
        """The same as loaders see it."""
        return Preprocessing(
            size=self.size,
            mean=self.mean,
            std=self.std,
            channels=self.channels,
            background=self.background,
            cut=None if self.cut is None else Cut(self.cut.crop, self.cut.interpolation),
        )


class Weights(Fields):
    """A weight file of the registry's own, or the hash that the loader's file must have.

    Attributes:
        file: relative to the registry file's folder.
        cached: relative to `models_folder`. Neither: the loader knows where.
        how: what to do to get it, if it is not there; ``{folder}`` is the folder it belongs in.
        sha256: 64 hex digits; None: not checked.
    """

    file: Text | None = None
    cached: Text | None = None
    how: Text | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Weights:
        if self.file is not None and self.cached is not None:
            raise ValueError("names two places: give file or cached, not both")
        return self


class PublishedRobust(Fields):
    """A published robust accuracy in percent, and the budget that it is for, in pixel space."""

    norm: Annotated[Norm, Field(strict=False)]
    budget: Annotated[float, Field(gt=0)]
    accuracy: Percent


class Published(Fields):
    """Published accuracies in percent."""

    top1: Percent | None = None
    top5: Percent | None = None
    robust: PublishedRobust | None = None


class SourceEntry(Fields):
    """One of the places that a model's weights come from, with what differs there.

    Attributes:
        architecture: in the loader's words; None: the model's name.
        preprocessing: None: the model's own.
        fidelity: whether they are the weights that the published numbers are of, or the nearest.
        licence: where the loader does not know it.
        bytes: about how large the file is, where the loader does not know it.
    """

    loader: Word
    architecture: Text | None = None
    weights: Weights = Weights()
    preprocessing: PreprocessingEntry | None = None
    options: dict[str, JsonValue] = Field(default_factory=dict)
    fidelity: Literal["same_weights", "nearest"]
    licence: str = ""
    bytes: Count | None = None
    notes: str = ""


def models_folder() -> Path:
    """Where imported models lie: ``HARNESS_IMPORTED``, or ``~/.cache/frontier-harness/models``."""
    named = os.environ.get("HARNESS_IMPORTED")
    return Path(named) if named else Path.home() / ".cache" / "frontier-harness" / "models"
