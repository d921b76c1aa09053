"""Weight files as tensors: safetensors, or torch's archives with nothing but tensors in them."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from harness.api import MissingError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

_TORCH = (b"PK\x03\x04", b"\x80")  # torch.save's archives, new and old


def read(path: Path) -> dict[str, Tensor]:
    """The tensors in ``path`` by name, on the CPU. Code in the file is never run.

    Raises:
        MissingError: it cannot be read. ModelError: it holds something else than tensors.
    """
    try:
        with path.open("rb") as file:
            archive = file.read(4).startswith(_TORCH)
        found = _archive(path) if archive else _safetensors(path)
    except OSError as error:
        raise MissingError(
            f"weights cannot be read: {error.strerror}",
            where=str(path),
            hint="check weights.file",
        ) from error
    return found


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ModelError(
            f"is neither a safetensors file nor torch's: {error}",
            where=str(path),
            hint="save the weights with safetensors.torch.save_file",
        ) from error


def _archive(path: Path) -> dict[str, Tensor]:
    import torch

    hint = "save model.state_dict() with safetensors.torch.save_file"
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            "holds more than tensors: reading it could run any code", where=str(path), hint=hint
        ) from error
    except (RuntimeError, EOFError, ValueError) as error:
        raise ModelError("is damaged", where=str(path), hint="download it again") from error
    if not isinstance(found, dict) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise ModelError("is not a state dict of tensors", where=str(path), hint=hint)
    return dict(found)


def fill(module: nn.Module, tensors: Mapping[str, Tensor], path: Path, architecture: str) -> None:
    """Load ``tensors`` if their names and shapes are exactly the module's.

    Batch norms' counters of training steps play no part: files may hold them or not.

    Raises:
        ModelError: they are not.
    """
    own = _shapes(module.state_dict())
    wrong = sorted(dict(own.items() ^ _shapes(tensors).items()))
    if wrong:
        shown = ", ".join(wrong[:3]) + (", ..." if len(wrong) > 3 else "")
        raise ModelError(
            f"{len(wrong)} tensors do not fit {architecture}: {shown}",
            where=str(path),
            hint="use the weights of this architecture",
        )
    module.load_state_dict({name: tensors[name] for name in own}, strict=False)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(tensor.shape)
        for name, tensor in tensors.items()
        if not name.endswith("num_batches_tracked")
    }
