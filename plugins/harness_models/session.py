"""A graph in ONNX Runtime, and batches cut to what a graph takes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness.api.onnx import BoundSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness_models.graph import Graph


def session_of(graph: Graph, device: str) -> BoundSession:
    """``graph`` in ONNX Runtime on ``device``, or on the CPU with a warning."""
    wanted = torch.device(device)
    content = graph.model.SerializeToString()
    session = BoundSession(content, wanted, input=graph.input, output=graph.output)
    if session.device.type != wanted.type:
        warnings.warn(
            f"ONNX Runtime has no {wanted.type.upper()} provider here: {graph.output!r} is computed"
            " on the CPU",
            stacklevel=2,
        )
    return session


class Chunked(nn.Module):
    """A module that takes batches of one size only, behind one that takes any."""

    def __init__(self, module: nn.Module, size: int) -> None:
        super().__init__()
        self.module, self.size = module, size

    def forward(self, images: Tensor) -> Tensor:
        return in_chunks(self.module, images, self.size)


def in_chunks(run: Callable[[Tensor], Tensor], images: Tensor, size: int) -> Tensor:
    """``run`` over ``images``, ``size`` at a time; the last image fills up the last chunk."""
    parts = []
    for part in torch.split(images, size):
        spare = part[-1:].expand(size - len(part), *part.shape[1:])
        parts.append(run(torch.cat([part, spare]))[: len(part)])
    return torch.cat(parts)
