"""ONNX Runtime as a function from tensors to tensors, and batches cut to what a graph takes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness_models.graph import Graph

_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_SILENT = 4


class Session:
    """One graph in ONNX Runtime on one device; IEEE fp32, no TF32.

    Tensors are bound where they lie: on CUDA nothing goes through the host.
    """

    def __init__(self, graph: Graph, device: str) -> None:
        self._graph = graph
        self._session = ort.InferenceSession(
            graph.model.SerializeToString(), _options(), providers=_providers(torch.device(device))
        )
        self._device = torch.device(device)
        if self._device.type == "cuda" and _CUDA not in self._session.get_providers():
            warnings.warn(
                f"ONNX Runtime has no CUDA provider here: {graph.output!r} is computed on the CPU",
                stacklevel=2,
            )
            self._device = torch.device("cpu")

    def shape(self, images: Tensor) -> tuple[int, ...]:
        """The shape of the graph's output for ``images``."""
        [logits] = self._session.run([self._graph.output], {self._graph.input: images.numpy()})
        return tuple(logits.shape)

    def run(self, images: Tensor, outputs: int) -> Tensor:
        """Logits (n, outputs) of float32 images (n, 3, height, width), on the images' device.

        Raises:
            torch.OutOfMemoryError: as torch would.
        """
        source = images.detach().to(self._device, torch.float32).contiguous()
        logits = torch.empty((len(source), outputs), device=self._device)
        if self._device.type == "cuda":
            # ONNX Runtime works on its own stream: what torch queued must be done first.
            torch.cuda.current_stream(self._device).synchronize()
        binding = self._session.io_binding()
        place = self._device.type, self._device.index or 0, np.float32
        binding.bind_input(self._graph.input, *place, tuple(source.shape), source.data_ptr())
        binding.bind_output(self._graph.output, *place, tuple(logits.shape), logits.data_ptr())
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            if "Failed to allocate memory" in str(error):
                raise torch.OutOfMemoryError(str(error)) from error
            raise
        binding.synchronize_outputs()
        return logits.to(images.device)


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


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    # Torch's gradients come between the forward passes: waiting threads must not hold the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _SILENT
    return options


def _providers(device: torch.device) -> list[str | tuple[str, dict[str, str]]]:
    if device.type != "cuda" or _CUDA not in ort.get_available_providers():
        return [_CPU]
    ort.preload_dlls()  # torch's CUDA libraries
    cuda = {
        "device_id": str(device.index or 0),
        "use_tf32": "0",
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
    }
    return [(_CUDA, cuda), _CPU]
