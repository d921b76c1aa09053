"""Models: the classifier that a loader returns, and the loader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pixel-space images become a network's input; data, part of the model's identity.

    The harness applies it inside the classifier, so that attacks and distortions live in pixel
    space.

    Attributes:
        size: (height, width) of the input.
        mean, std: per channel, in pixel units: the network sees (x - mean) / std.
        channels: the order that the network expects.
        background: the output that stands for "background" and is dropped, or None.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    channels: Literal["rgb", "bgr"] = "rgb"
    background: int | None = None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A registry entry as a loader sees it.

    Attributes:
        name: the registry's name of the model.
        architecture: what to build, in the loader's words; the name where the registry is silent.
        weights: the weight file, already checked against the registry's SHA-256; None where the
        loader
            finds the weights itself.
        classes: number of classes, background excluded.
        options: whatever else the loader takes.
    """

    name: str
    architecture: str
    weights: Path | None
    preprocessing: Preprocessing
    classes: int
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Classifier:
    """A network in its own input space; the harness puts `preprocessing` around it.

    Attributes:
        module: differentiable network in eval mode, input (n, 3, height, width) to logits; None for
        a
            model without gradients.
        forward: the forward pass that predictions and verdicts use where it is not the module's own
            (an ONNX Runtime session); float32 tensors on any device in, logits out.
    """

    module: nn.Module | None
    preprocessing: Preprocessing
    classes: int
    forward: Callable[[Tensor], Tensor] | None = None


class ModelLoader(ABC):
    """Turns registry entries into classifiers."""

    def default_weights(self, spec: ModelSpec) -> Path | None:
        """Where the loader's own weights for ``spec`` lie, if the registry names no file."""
        return None

    @abstractmethod
    def load(self, spec: ModelSpec, device: str) -> Classifier:
        """The classifier on ``device``.

        Raises:
            ModelError: the file is not what the loader understands.
        """
