"""What a network's passes are computed in: IEEE fp32, or less where gradients are asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.definition import Numerics
from harness.engine.device import tf32_allowed


@contextlib.contextmanager
def computing_in(numerics: Numerics, device: torch.device) -> Iterator[None]:
    """This thread's passes on ``device`` in ``numerics``, whatever was set before.

    ``bf16`` is torch's autocast, for a forward pass: a backward pass takes the types of its
    forward. What was set before is set again afterwards, after an exception too.
    """
    kind = device.type
    before = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
    try:
        if numerics == "bf16":
            torch.set_autocast_dtype(kind, torch.bfloat16)
        torch.set_autocast_enabled(kind, numerics == "bf16")
        with tf32_allowed() if numerics == "tf32" else contextlib.nullcontext():
            yield
    finally:
        torch.set_autocast_enabled(kind, before[0])
        torch.set_autocast_dtype(kind, before[1])
        if numerics == "bf16":
            torch.clear_autocast_cache()


@dataclass(frozen=True, slots=True)
class GradientPass:
    """A forward pass that gradients to the pixels can be asked of.

    Attributes:
        logits: float32 (n, classes), without a graph.
        output: the same with the graph back to ``images``.
        numerics: what both passes are computed in.
    """

    logits: Tensor
    output: Tensor
    images: Tensor
    numerics: Numerics

    def gradient(self, cotangent: Tensor | None, *, again: bool = False) -> Tensor:
        """The gradient of (logits * cotangent).sum() to the images, float32 and of their shape.

        ``again``: whether another one will be asked for. torch raises where there is no cotangent.
        """
        backward: Numerics = "fp32" if self.numerics == "bf16" else self.numerics
        with computing_in(backward, self.images.device):
            (gradient,) = torch.autograd.grad(
                self.output, self.images, cotangent, retain_graph=again
            )
        return gradient
