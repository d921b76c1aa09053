"""Models: the classifier that a loader returns, and the loader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.api.dataset import Cut
from harness.api.model_reference import ModelReference
from harness.errors import ConfigError, MissingError, ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn


Channels = Literal["rgb", "bgr", "grey"] | int
"""What a network's input channels are: colours in this order, grey, or a number of any others."""


def channel_count(channels: Channels) -> int:
    """How many ``channels`` are."""
    return channels if isinstance(channels, int) else 1 if channels == "grey" else 3


def convertible(found: int, wanted: int) -> bool:
    """Whether images of ``found`` channels can be shown to a model of ``wanted``: grey is repeated,
    RGB becomes grey, and of others nobody knows what they mean."""
    return found == wanted or {found, wanted} == {1, 3}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pixel-space images become a network's input; data, part of the model's identity.

    The harness applies it inside the classifier, so that attacks and distortions live in pixel
    space.

    Attributes:
        size: (height, width) of the input.
        mean, std: per channel, in pixel units: the network sees (x - mean) / std. One number counts
            for all channels.
        channels: the order that the network expects; ``grey`` is one channel, a number so many.
        background: the output for "background", which is dropped, or None.
        cut: how images are brought to ``size`` by readers that follow the model, or None.
    """

    size: tuple[int, int]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channels: Channels = "rgb"
    background: int | None = None
    cut: Cut | None = None

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            given = getattr(self, name)
            if isinstance(given, tuple) and len(given) == 1:
                object.__setattr__(self, name, given * channel_count(self.channels))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the input."""
        return (channel_count(self.channels), *self.size)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A registry entry as a loader sees it.

    Attributes:
        name: the registry's name of the model.
        architecture: what to build, in the loader's words; the name where the registry gives none.
        weights: the weight file, already checked against the registry's SHA-256; None where the
            loader finds the weights itself.
        classes: number of classes, background excluded.
        options: whatever else the loader takes.
        code: a file of the user's own that building the network runs; only for entries that the
            user has named. Its content, and that of `ModelLoader.files`, is part of the identity.
        seed: which of the model's training seeds the weights are from; None: the model's own.
    """

    name: str
    architecture: str
    weights: Path | None
    preprocessing: Preprocessing
    classes: int
    options: Mapping[str, Any]
    code: Path | None = None
    seed: str | None = None


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network in its own input space; the harness puts `preprocessing` around it.

    Attributes:
        module: differentiable network in eval mode, input (n, channels, height, width) to logits;
            None for a model without gradients.
        forward: the forward pass that predictions and verdicts use where it is not the module's own
            (an ONNX Runtime session); float32 tensors on any device in, logits out.
    """

    module: nn.Module | None
    preprocessing: Preprocessing
    classes: int
    forward: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """Where a model's weights lie, or how to get them; found out without network.

    Attributes:
        path: where the file lies; None: it is not here.
        url: where `ModelLoader.fetch` gets it; None: it cannot be downloaded.
        bytes: its size, where known.
        licence: where known.
        how: the command or setting that gets it, one line.
    """

    path: Path | None
    url: str | None = None
    bytes: int | None = None
    licence: str = ""
    how: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """What a loader knows about a model that no registry names: enough for an entry.

    Attributes:
        name: fit for a registry: letters, digits and ``. _ + -``.
        architecture: what `ModelSpec.architecture` must say to get this model.
        parameters: their number, where the loader knows it without building anything.
        classes: background excluded.
        weights: a local file; None where the loader finds or fetches it.
        notes: what was assumed, and how to say otherwise.
        code: see `ModelSpec.code`.
        training: its regime, in a registry's words, where the loader knows it.
    """

    name: str
    architecture: str
    family: str
    parameters: int | None
    classes: int
    preprocessing: Preprocessing
    weights: Path | None = None
    notes: str = ""
    code: Path | None = None
    training: str = "unknown"


Progress = Callable[[int, int | None], None]
"""Called with the bytes downloaded so far, and the total where the server gives it."""


class ModelLoader(ABC):
    """Turns registry entries into classifiers."""

    def weights(self, spec: ModelSpec) -> WeightsFile:
        """Where the weights of ``spec`` lie, or how to get them; asked without network.

        Only asked where the registry names no file of its own.
        """
        return WeightsFile(None, how="name a file in weights.file")

    def files(self, spec: ModelSpec) -> tuple[Path, ...]:
        """The files that ``spec.weights`` and ``spec.code`` need as well, in a fixed order.

        Most need none. Their bytes follow those of the weight file and of the code in the hash that
        identifies the weights.

        Raises:
            MissingError: one is not there.
        """
        return ()

    def fetch(self, spec: ModelSpec, progress: Progress) -> Path:
        """Download the weights of ``spec`` to where `weights` finds them, resuming a broken try.

        Raises:
            MissingError: they cannot be downloaded, or do not match their hash.
        """
        raise MissingError(
            "the loader downloads nothing",
            where=f"model {spec.name}",
            hint="name a file in weights.file",
        )

    def untrained(self, spec: ModelSpec, device: str) -> Classifier:
        """The architecture of ``spec`` with random weights, the same ones every time.

        Raises:
            ModelError: the loader cannot build it.
        """
        raise ModelError(
            "this loader builds nothing without weights",
            where=f"model {spec.name}",
            hint="choose a source whose loader builds the architecture",
        )

    def describe(self, reference: str) -> Described:
        """A model that no registry names: what follows the loader's name and a colon.

        Raises:
            ConfigError: the loader knows no such model, or describes none.
        """
        raise ConfigError(
            f"the loader cannot describe {reference!r}",
            where="--models",
            hint="write a registry entry for it",
        )

    def described(self, reference: ModelReference) -> Described:
        """As `describe`, for loaders that go by more than the model's name.

        Raises:
            HarnessError: the loader knows no such model, or cannot make one of what is said.
        """
        return self.describe(reference.text)

    def code(self, reference: str) -> Path | None:
        """The file that describing and loading this model runs; None: nothing of the user's.

        Asked before anything runs, so that it can be said.
        """
        return None

    @abstractmethod
    def load(self, spec: ModelSpec, device: str) -> Classifier:
        """The classifier on ``device``; ``spec.weights`` is the checked file.

        May be called on another thread while an earlier model is at work, never twice at a time: it
        must not patch or trace (torch.fx) what other models use.

        Raises:
            ModelError: the file is not what the loader understands.
        """
