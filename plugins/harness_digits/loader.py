"""The model loader ``digits``: an embedded architecture and its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.api import Classifier, ModelError, ModelLoader, ModelSpec, WeightsFile, did_you_mean
from harness_digits.data import CLASSES
from harness_models import tensors

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = Path(__file__).parent / "weights"


def weights_path(architecture: str, seed: str | None) -> Path:
    """Return where the package keeps the weights of a training seed; they may not be there."""
    return (WEIGHTS if seed is None else WEIGHTS / seed) / f"{architecture}.safetensors"


class DigitsLoader(ModelLoader):
    """The embedded architectures, with the package's weights by default. It takes no option."""

    def weights(self, spec: ModelSpec) -> WeightsFile:
        path = weights_path(spec.architecture, spec.seed)
        return WeightsFile(path if path.is_file() else None, how="reinstall the harness")

    def untrained(self, spec: ModelSpec, device: str) -> Classifier:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = _build(spec)
        return _finished(module, spec, device)

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        module = _build(spec)
        path = spec.weights or weights_path(spec.architecture, spec.seed)
        stored = tensors.read(path, expected=("float32", "float16"))
        tensors.fill(module, stored, path, spec.architecture)
        return _finished(module, spec, device)


def _finished(module: nn.Module, spec: ModelSpec, device: str) -> Classifier:
    module.eval().requires_grad_(False).to(device)
    return Classifier(module, spec.preprocessing, spec.classes)


def _build(spec: ModelSpec) -> nn.Module:
    from harness_digits.architectures import ARCHITECTURES, build

    name, where = spec.architecture, f"model {spec.name}"
    if spec.options:
        raise ModelError(
            f"unknown option {next(iter(spec.options))!r}",
            where=where,
            hint="the loader takes none",
        )
    if spec.classes != CLASSES:
        raise ModelError(
            f"has {CLASSES} classes, not {spec.classes}",
            where=where,
            hint=f"set classes: {CLASSES}",
        )
    if name not in ARCHITECTURES:
        hint = did_you_mean(name, ARCHITECTURES, f"choose from {', '.join(ARCHITECTURES)}")
        raise ModelError(f"unknown architecture {name!r}", where=where, hint=hint)
    return build(name)
