"""The model loader ``torchvision``: its classifiers with its published weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import (
    Classifier,
    ConfigError,
    Cut,
    Described,
    MissingError,
    ModelError,
    ModelLoader,
    ModelReference,
    ModelSpec,
    Preprocessing,
    WeightsFile,
    did_you_mean,
)
from harness_models import tensors
from harness_models.download import download, matches, offline
from harness_models.network import (
    entry_name,
    finished,
    outputs_of,
    refuse_options,
    seeded,
    weights_of,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.api import Progress

_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_TENSORFLOW = ("googlenet", "inception_v3")
"""Ported from TensorFlow: they want 2x - 1; torchvision would undo ImageNet's mean and std."""

_HALF = (0.5, 0.5, 0.5)


class TorchvisionLoader(ModelLoader):
    """torchvision's classifiers: ``googlenet`` (its default weights) or ``vgg16.IMAGENET1K_V1``.

    The network takes what ``preprocessing`` makes: googlenet and inception_v3 2x - 1. No option.
    """

    def weights(self, spec: ModelSpec) -> WeightsFile:
        return _file(_enum(spec.architecture, f"model {spec.name}"))

    def fetch(self, spec: ModelSpec, progress: Progress) -> Path:
        weights = _enum(spec.architecture, f"model {spec.name}")
        file = _file(weights)
        if file.path is not None:
            return file.path
        if file.url is None:
            raise MissingError("downloads are switched off", where=weights.url, hint=file.how)
        path = _path(weights)
        return download(weights.url, path, sha256=_hash(path.name), progress=progress)

    def untrained(self, spec: ModelSpec, device: str) -> Classifier:
        return finished(_build(spec), spec, device)

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        path = weights_of(spec)
        weights = _enum(spec.architecture, f"model {spec.name}")
        if path.name == _path(weights).name and not matches(path, _hash(path.name)):
            raise ModelError(
                "its SHA-256 is not the one in its name", where=str(path), hint="download it again"
            )
        module = _build(spec)
        tensors.fill(module, _renamed(tensors.read(path)), path, spec.architecture)
        return finished(module, spec, device)

    def describe(self, reference: str) -> Described:
        return self.described(ModelReference(text=reference))

    def described(self, reference: ModelReference) -> Described:
        """With weights of the user's own it has as many classes as the data."""
        own = None if reference.weights is None else reference.classes
        weights = _enum(reference.text, "--models", ConfigError)
        name = reference.text.partition(".")[0]
        transform: Any = weights.transforms()
        (size,), (resized,) = transform.crop_size, transform.resize_size
        imagenet = name not in _TENSORFLOW
        return Described(
            name=entry_name(f"{name}.{weights.name}"),
            architecture=f"{name}.{weights.name}",
            family=re.match(r"[a-z]+", name)[0],  # type: ignore[index]
            parameters=None if own else weights.meta["num_params"],
            classes=own or len(weights.meta["categories"]),
            preprocessing=Preprocessing(
                (size, size),
                tuple(transform.mean) if imagenet else _HALF,
                tuple(transform.std) if imagenet else _HALF,
                cut=Cut(size / max(resized, size), transform.interpolation.value),
            ),
        )


def _enum(architecture: str, where: str, error: type[ConfigError | ModelError] = ModelError) -> Any:
    """torchvision's record of the weights that ``architecture`` names.

    Raises:
        error: there are none.
    """
    from torchvision import models

    name, _, chosen = architecture.partition(".")
    known = models.list_models(module=models)
    if name not in known:
        raise error(
            f"torchvision has no classifier {name!r}",
            where=where,
            hint=did_you_mean(name, known, "see torchvision.models.list_models()"),
        )
    every: Any = models.get_model_weights(name)
    chosen = chosen or "DEFAULT"
    if chosen not in every.__members__:
        raise error(
            f"torchvision's {name} has no weights {chosen!r}",
            where=where,
            hint=f"choose from {', '.join(every.__members__)}",
        )
    return every[chosen]


def _path(weights: Any) -> Path:
    """Where torchvision itself keeps them: below ``TORCH_HOME``."""
    import torch

    folder: str = torch.hub.get_dir()
    return Path(folder) / "checkpoints" / str(weights.url).rpartition("/")[2]


def _hash(name: str) -> str:
    """The beginning of the SHA-256 that the file's name ends in: ``alexnet-owt-7be5be79.pth``."""
    found = re.search(r"-([0-9a-f]{8,64})\.pth$", name)
    assert found is not None, name
    return found[1]


def _file(weights: Any) -> WeightsFile:
    path = _path(weights)
    put = f"put {weights.url} at {path}"
    return WeightsFile(
        path=path if path.is_file() else None,
        url=None if offline() else weights.url,
        bytes=int(weights.meta["_file_size"] * 2**20),
        licence="bsd-3-clause",
        how=f"unset HF_HUB_OFFLINE, or {put}" if offline() else put,
    )


def _build(spec: ModelSpec) -> nn.Module:
    from torchvision import models

    refuse_options(spec)
    _enum(spec.architecture, f"model {spec.name}")
    name = spec.architecture.partition(".")[0]
    options: dict[str, Any] = {"num_classes": outputs_of(spec)}
    if name in _TENSORFLOW:
        options |= {"aux_logits": False, "transform_input": False, "init_weights": False}
    with seeded():
        module: nn.Module = models.get_model(name, weights=None, **options)
    return module


def _renamed(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under today's names (old DenseNets: ``norm.1``), without auxiliary heads."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name): tensor
        for name, tensor in found.items()
        if not name.startswith(_AUXILIARY)
    }
