"""ONNX Runtime as a function from tensors to tensors, for the engine and for model loaders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_SILENT = 4

NO_MEMORY = (
    "Failed to allocate memory",  # for requested buffer of size N
    "is smaller than requested bytes",  # Available memory of N
    "out of memory",  # CUDA failure 2
    "ALLOC_FAILED",  # CUBLAS and CUDNN failures
)
"""What ONNX Runtime says of a full memory; its exceptions have no type for that."""


class BoundSession:
    """A graph in ONNX Runtime on one device, in IEEE fp32.

    Tensors are bound where they lie: on a GPU nothing goes through the host.

    Args:
        graph: the serialised model.
        input, output: the names of its tensors.

    Attributes:
        device: where it computes: the one asked for, or the CPU if ONNX Runtime has no provider for
            that here.
    """

    def __init__(self, graph: bytes, device: torch.device, *, input: str, output: str) -> None:
        import onnxruntime
        import torch

        provider = _provider(device)
        providers: list[Any] = ["CPUExecutionProvider"]
        if provider is not None:
            providers.insert(0, provider)
        self._session = onnxruntime.InferenceSession(graph, _options(), providers=providers)
        here = provider is not None and provider[0] in self._session.get_providers()
        self.device = device if here else torch.device("cpu")
        self._input, self._output = input, output

    def shape(self, images: Tensor) -> tuple[int, ...]:
        """The shape of the output for ``images``, which are on the host."""
        [found] = self._session.run([self._output], {self._input: images.numpy()})
        return tuple(found.shape)

    def run(self, images: Tensor, outputs: int) -> Tensor:
        """The output, float32 (n, outputs), for ``images`` (n, ...); on the images' device.

        Raises:
            torch.OutOfMemoryError: as torch would.
        """
        import numpy as np
        import torch

        source = images.detach().to(self.device, torch.float32).contiguous()
        found = torch.empty((len(source), outputs), device=self.device)
        if self.device.type != "cpu":
            # ONNX Runtime works on a stream of its own: what torch queued must be done first.
            torch.accelerator.current_stream(self.device).synchronize()
        binding = self._session.io_binding()
        place = self.device.type, self.device.index or 0, np.float32
        binding.bind_input(self._input, *place, tuple(source.shape), source.data_ptr())
        binding.bind_output(self._output, *place, tuple(found.shape), found.data_ptr())
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            if any(words in str(error) for words in NO_MEMORY):
                raise torch.OutOfMemoryError(str(error)) from error
            raise
        binding.synchronize_outputs()
        return found.to(images.device)


def _provider(device: torch.device) -> tuple[str, dict[str, str]] | None:
    """The execution provider for ``device``, in IEEE fp32; None: the CPU's."""
    import onnxruntime

    name = f"{device.type.upper()}ExecutionProvider"
    if device.type == "cpu" or name not in onnxruntime.get_available_providers():
        return None
    onnxruntime.preload_dlls()  # torch's own libraries
    return name, {
        "device_id": str(device.index or 0),
        "use_tf32": "0",
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
    }


def _options() -> Any:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    # Torch computes between the passes: waiting threads must not hold the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _SILENT
    return options
