"""A model as it was before a plugin worked on it, and the way back there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from harness.api import ModelError, look
from harness.engine.classifier import PixelClassifier

COLUMNS = 16
"""Sums of a tensor's words, each over a column: so that words that change places are seen too."""
FEW = 512
"""Words up to which it is as cheap to look at them themselves."""

_CONTENTS = ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks")


class KeptModel:
    """A copy of a model's weights and buffers on the host, with a checksum of those in use.

    The checksum reads the weights once: much less than a forward pass does with them.
    """

    def __init__(self, model: PixelClassifier) -> None:
        self._model = model
        self._modules = [_KeptModule(module) for module in _modules(model)]
        parameters = itertools.chain(*(each.module.parameters(False) for each in self._modules))
        buffers = itertools.chain(*(each.module.buffers(False) for each in self._modules))
        parts = {id(part): part for part in (*parameters, *buffers)}
        self._tensors = [_KeptTensor(part) for part in parts.values()]
        self._checksum = look(self._sums())

    def put_back(self) -> list[str]:
        """Make the model what it was; what was not, in words."""
        found: dict[str, None] = {}
        for module in self._modules:
            found.update(dict.fromkeys(module.put_back()))
        for part in self._tensors:
            found.update(dict.fromkeys(part.put_back()))
        if not self._unchanged():
            self._copy_back()
            if not self._changes_by_itself():
                found["the model's weights or buffers"] = None
        return list(found)

    def _copy_back(self) -> None:
        for part in self._tensors:
            part.copy_back()

    def _changes_by_itself(self) -> bool:
        """Whether a pass changes the model's buffers: then no plugin is to blame."""
        image = torch.zeros((1, *self._model.shape), device=self._model.device)
        try:
            self._model.predict(image)
        except ModelError:
            return False
        if self._unchanged():
            return False
        self._copy_back()
        return True

    def _unchanged(self) -> bool:
        return torch.equal(self._checksum, look(self._sums()))

    def _sums(self) -> Tensor:
        device = self._model.device
        with torch.inference_mode():
            sums = itertools.chain(*(part.sums() for part in self._tensors))
            # uint8 among int64 becomes int64.
            return torch.cat([torch.zeros(0, dtype=torch.int64, device=device), *sums])


def _modules(model: PixelClassifier) -> list[nn.Module]:
    found = {id(module): module for root in model.networks for module in root.modules()}
    return list(found.values())


class _KeptModule:
    """A module's mode, and by identity what it is made of."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self._training = module, module.training
        names = () if isinstance(module, torch.jit.ScriptModule) else _CONTENTS
        self._contents = {name: dict(getattr(module, name)) for name in names}
        self._forward = vars(module).get("forward")

    def put_back(self) -> Iterator[str]:
        if self.module.training != self._training:
            self.module.training = self._training
            yield "the model's training mode"
        for name, before in self._contents.items():
            now = getattr(self.module, name)
            if len(now) != len(before) or any(now.get(k) is not v for k, v in before.items()):
                now.clear()
                now.update(before)
                yield "what the model is made of"
        if vars(self.module).get("forward") is not self._forward:
            del self.module.forward
            if self._forward is not None:
                self.module.forward = self._forward
            yield "what the model is made of"


class _KeptTensor:
    """A parameter or buffer, and the memory that it had."""

    def __init__(self, part: Tensor) -> None:
        self._part, self._grad = part, part.requires_grad
        self._own = part.detach()  # this memory, whatever becomes of ``part``
        self._copy = look(self._own).clone()
        words = _words(self._own)
        table = len(words) // COLUMNS if len(words) >= FEW else 0
        self._table = words[: table * COLUMNS].view(table, COLUMNS)
        self._rest = words[table * COLUMNS :]

    def put_back(self) -> Iterator[str]:
        part, own = self._part, self._own
        if part.data_ptr() != own.data_ptr() or part.shape != own.shape or part.dtype != own.dtype:
            part.data = own
            yield "the model's weights or buffers"
        if part.requires_grad != self._grad:
            part.requires_grad_(self._grad)
            yield "the requires_grad of the model's weights"

    def copy_back(self) -> None:
        self._own.copy_(self._copy)

    def sums(self) -> tuple[Tensor, Tensor]:
        """One number for each column of the memory's words, and the words that fill no column."""
        return self._table.sum(0), self._rest


def _words(tensor: Tensor) -> Tensor:
    """The memory of ``tensor`` as int64, or as bytes where it does not divide into words."""
    span = 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    if tensor.numel() == 0 or span != tensor.numel():
        return torch.zeros(0, dtype=torch.int64, device=tensor.device)
    flat = tensor.as_strided((span,), (1,)).view(torch.uint8)
    if (flat.storage_offset() | len(flat)) % 8:
        return flat
    return flat.view(torch.int64)
