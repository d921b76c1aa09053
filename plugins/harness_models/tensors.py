"""Weight files as tensors: the one place where loaders read them.

Code in a file is never run, and nothing is allocated that the file's own size does not cover.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

from harness.api import ModelError
from harness_models import archives
from harness_models.files import ACCEPTED, STATE_DICT, Form, Look, cause_of, look, unreadable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from torch import Tensor, nn

_LONGEST_HEADER = 8 << 20
"""Of a safetensors file, in bytes; a tensor takes about 100."""

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64")


def read(path: Path, *, expected: Collection[str] = ("float32",)) -> dict[str, Tensor]:
    """The tensors in ``path`` by name, on the CPU, dense, of floats or of plain integers.

    A network takes them as float32; where they are other floats than ``expected``, a warning says
    so.

    Raises:
        MissingError: it cannot be read. ModelError: it holds something else than tensors.
    """
    found = look(path)
    try:
        content = _content(path, found)
    except OSError as error:
        raise unreadable(path, error) from error
    tensors = _state_dict(content, path)
    for name, tensor in tensors.items():
        fault = _fault(tensor, found.size)
        if fault:
            raise ModelError(f"tensor {name!r} {fault}", where=str(path), hint=STATE_DICT)
    _tell_conversion(tensors, path, expected)
    return tensors


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
    refuse_integers(module, tensors, path)
    module.load_state_dict({name: tensors[name] for name in own}, strict=False)


def refuse_integers(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse integers where the network has real numbers: quantised weights would pass for others.

    Names count by their last part, for loaders that rename: every ``weight`` of a network is real.

    Raises:
        ModelError: a tensor holds such integers.
    """
    real = {_part(name) for name, own in module.state_dict().items() if own.is_floating_point()}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() and _part(name) in real:
            raise ModelError(
                f"tensor {name!r} is {_dtype(tensor)}, where the network has real numbers",
                where=str(path),
                hint="use weights of float32",
            )


def _content(path: Path, found: Look) -> object:
    if found.form is Form.SAFETENSORS:
        return _safetensors(path, found)
    if found.form is Form.ZIP:
        return archives.read(path, found.size)
    if found.form is Form.TORCH_1_5:
        return archives.unpickled(path)
    raise ModelError(f"is {found.what}: {ACCEPTED}", where=str(path), hint=found.hint)


def _safetensors(path: Path, found: Look) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(found.size - 8, _LONGEST_HEADER):
                raise ValueError(f"a header of {length:,} bytes in {found.size:,}")
            json.loads(file.read(length), object_pairs_hook=_distinct)
        return load_file(path)
    except (SafetensorError, ValueError, RecursionError, RuntimeError) as error:
        cause = cause_of(error).removeprefix("Error while deserializing header: ")
        raise ModelError(
            f"is a damaged safetensors file: {cause}", where=str(path), hint="download it again"
        ) from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the name {twice!r} is listed twice in its header")
    return found


def _state_dict(content: object, path: Path) -> dict[str, Tensor]:
    """``content`` if it is a mapping of names to tensors."""
    import torch

    if not isinstance(content, dict):
        what, hint = f"holds a {type(content).__name__}, not a state dict of tensors", STATE_DICT
    elif not content:
        what, hint = "holds no tensors", STATE_DICT
    elif inner := [name for name, value in content.items() if isinstance(value, dict)]:
        what = f"is a checkpoint of training, not a state dict of tensors: it holds {inner[0]!r}"
        hint = f"save what is in {inner[0]!r} with safetensors.torch.save_file"
    elif other := [name for name, value in content.items() if not _is_named(name, value)]:
        kind = type(content[other[0]]).__name__
        what, hint = f"is not a state dict of tensors: {other[0]!r} is a {kind}", STATE_DICT
    else:
        return {name: torch.Tensor.detach(tensor) for name, tensor in content.items()}
    raise ModelError(what[:200], where=str(path), hint=hint[:200])


def _is_named(name: object, value: object) -> bool:
    import torch

    return isinstance(name, str) and isinstance(value, torch.Tensor)


def _fault(tensor: Tensor, size: int) -> str:
    """Why no network takes ``tensor`` out of a file of ``size`` bytes; empty where one does."""
    import torch

    if tensor.is_nested or tensor.layout is not torch.strided:
        return "is sparse or nested, not dense"
    if tensor.is_quantized:
        return f"is quantised ({_dtype(tensor)}), not float32"
    if tensor.device.type != "cpu":
        return f"has a shape but no numbers (device {tensor.device.type})"
    if _dtype(tensor) not in (*_FLOATS, *_INTEGERS):
        return f"is {_dtype(tensor)}, not float32"
    if tensor.numel() * tensor.element_size() > size:
        return f"claims {tensor.numel():,} numbers in a file of {size:,} bytes"
    return ""


def _tell_conversion(tensors: Mapping[str, Tensor], path: Path, expected: Collection[str]) -> None:
    kinds = [_dtype(tensor) for tensor in tensors.values() if tensor.is_floating_point()]
    others = sorted(set(kinds) - set(expected))
    if others:
        count = sum(kind in others for kind in kinds)
        rounded = ", rounded" if "float64" in others else ""
        warnings.warn(
            f"{path}: {count} of {len(tensors)} tensors are {' and '.join(others)}; the network "
            f"takes them as float32{rounded}",
            stacklevel=2,
        )


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(tensor.shape)
        for name, tensor in tensors.items()
        if not name.endswith("num_batches_tracked")
    }


def _part(name: str) -> str:
    return name.rpartition(".")[2]


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
