"""The model loader ``digits``: an embedded architecture and its weights."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from harness.api import Classifier, MissingError, ModelError, ModelLoader, ModelSpec, WeightsFile
from harness_digits.data import CLASSES

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "weights"

_PICKLES = (b"PK\x03\x04", b"\x80")  # torch.save's archives and bare pickles


class DigitsLoader(ModelLoader):
    """The embedded architectures, with the package's weights by default. It takes no option."""

    def weights(self, spec: ModelSpec) -> WeightsFile:
        path = WEIGHTS / f"{spec.architecture}.safetensors"
        return WeightsFile(path if path.is_file() else None, how="reinstall the harness")

    def untrained(self, spec: ModelSpec, device: str) -> Classifier:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = _build(spec)
        return _finished(module, spec, device)

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        module = _build(spec)
        path = spec.weights or WEIGHTS / f"{spec.architecture}.safetensors"
        _fill(module, _read(path), path, spec.architecture)
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
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(ARCHITECTURES)}"
        raise ModelError(f"unknown architecture {name!r}", where=where, hint=hint)
    return build(name)


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load as parse

    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingError(
            f"weights cannot be read: {error.strerror}",
            where=str(path),
            hint="reinstall the harness",
        ) from error
    try:
        return parse(content)
    except SafetensorError as error:
        pickled = content.startswith(_PICKLES)
        what = "pickled weights are refused: reading them can run any code"
        raise ModelError(
            what if pickled else f"is not a safetensors file: {error}",
            where=str(path),
            hint="save the weights with safetensors.torch.save_file",
        ) from error


def _fill(module: nn.Module, tensors: dict[str, Tensor], path: Path, architecture: str) -> None:
    """Load ``tensors`` if their names and shapes are exactly the module's.

    Batch norms' counters of training steps play no part: files may hold them or not.
    """
    tensors = _without_counters(tensors)
    own = {
        name: tuple(tensor.shape) for name, tensor in _without_counters(module.state_dict()).items()
    }
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wrong = sorted(dict(own.items() ^ found.items()))
    if wrong:
        shown = ", ".join(wrong[:3]) + (", ..." if len(wrong) > 3 else "")
        raise ModelError(
            f"{len(wrong)} tensors do not fit {architecture}: {shown}",
            where=str(path),
            hint="use the weights of this architecture",
        )
    module.load_state_dict(tensors)


def _without_counters(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")
    }
