"""The device that computes: what it is called, what it has room for, how the host works with it.

The only file of the core that tells a GPU from a CPU. The functions take a `torch.device`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.api import ConfigError
from harness.api.onnx import NO_MEMORY as RUNTIMES_WORDS
from harness.cores import usable_cores
from harness.definition import Numerics

CPU_VALUES, CUDA_VALUES = 3_000_000, 40_000_000
"""Input values (channels x height x width x images) that one pass may hold."""

MOST_ON_CPU = 4 * 1024**3
"""Bytes of models that may stay in the host's memory together."""

KINDS = ("cpu", "cuda")
PRECISION_HOLDERS: list[Any] = [
    holder
    for holder in (
        torch.backends,
        torch.backends.cuda.matmul,
        torch.backends.cudnn,
        getattr(torch.backends.cudnn, "conv", None),
        getattr(torch.backends.cudnn, "rnn", None),
        torch.backends.mkldnn,
        getattr(torch.backends.mkldnn, "matmul", None),
        getattr(torch.backends.mkldnn, "conv", None),
        getattr(torch.backends.mkldnn, "rnn", None),
    )
    if hasattr(holder, "fp32_precision")  # from torch 2.9 on
]
"""What carries a precision of float32 arithmetic of its own, as ``fp32_precision``."""

ROUNDS_BETWEEN_LOOKS = 8
"""How many rounds the host queues on a GPU between looks at which slots have finished."""

_NO_MEMORY = (
    "can't allocate memory",  # torch's allocator on the host
    "out of memory",  # the driver, and torch and ONNX Runtime where they pass its words on
    "ALLOC_FAILED",  # CUBLAS_STATUS_, CUDNN_STATUS_, CUFFT_, CUSOLVER_STATUS_
    "ALLOCATION_FAILED",  # CUDNN_STATUS_INTERNAL_ERROR_{HOST,DEVICE}_ALLOCATION_FAILED
    "unable to find an engine",  # cuDNN: every algorithm failed, most for their workspaces
    # A handle that cannot be made: torch's cache has taken all memory, and gives it back when the
    # batch is halved. Elsewhere the same status means a broken installation or context.
    "CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate",
    "CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasLtCreate",
    *RUNTIMES_WORDS,
)

_PROC = Path("/proc/self")

_PRECISION = threading.RLock()
"""Whoever lowers the process's precision for a pass, or looks at it, is alone."""


def resolve_device(name: str) -> torch.device:
    """``auto``, ``cpu`` or ``cuda:N`` as a device; ``auto`` is the first GPU, else the CPU.

    Matrix products and convolutions are set to IEEE fp32: verdicts never use less. torch gets no
    more threads than there are cores for this process: it does not see a control group's quota.

    Raises:
        ConfigError: there is no such device.
    """
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in KINDS:
        raise ConfigError(f"device {name!r} is not supported", hint="use cpu or cuda:N")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"device {name!r} cannot be used: {reason}", hint="try --devices auto"
        ) from error
    be_exact()
    _wake(device)
    if torch.get_num_threads() > usable_cores():
        torch.set_num_threads(usable_cores())
    return device


def _wake(device: torch.device) -> None:
    """Have torch's thread for backward passes on a GPU begin: it warns once that it is new."""
    if device.type == "cuda":
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")
            one = torch.ones(1, 1, device=device, requires_grad=True)
            torch.autograd.grad((one @ one).sum(), one)


def count_gpus() -> int:
    """How many GPUs torch sees."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def make_current(device: torch.device) -> None:
    """In a process of our own: what names no GPU is on this one, and other GPUs are not touched."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def be_exact() -> None:
    """Set this process's matrix products and convolutions to IEEE fp32."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False


def must_compute_in(numerics: Numerics, device: torch.device) -> None:
    """
    Raises:
        ConfigError: ``device`` cannot compute in ``numerics``.
    """
    if numerics == "tf32" and not _has_tf32(device):
        raise ConfigError(
            f"{device} has no TF32",
            where="numerics",
            hint="take --numerics fp32 or bf16, or --devices cuda:0 of Ampere or newer",
        )


def _has_tf32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


@contextlib.contextmanager
def tf32_allowed() -> Iterator[None]:
    """Convolutions and matrix products of this process on GPUs in TF32.

    All settings are as before afterwards, after an exception too. Another thread that looks at
    them meanwhile waits: a loader that works beside the passes has not changed them.
    """
    with _PRECISION:
        before = tf32_settings(), precisions()
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        try:
            yield
        finally:
            put_tf32_settings(before[0])
            put_precisions(before[1])


def precisions() -> tuple[str, ...]:
    """The precision that each of `PRECISION_HOLDERS` carries."""
    with _PRECISION:
        return tuple(holder.fp32_precision for holder in PRECISION_HOLDERS)


def put_precisions(values: tuple[str, ...]) -> None:
    """Set them to what `precisions` returned."""
    with _PRECISION:
        for holder, value in zip(PRECISION_HOLDERS, values, strict=True):
            if holder.fp32_precision != value:
                holder.fp32_precision = value


def tf32_settings() -> tuple[str, bool] | None:
    """The older two settings; they cannot be read where the newer ones were mixed with them."""
    with _PRECISION:
        try:
            return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        except RuntimeError:
            return None


def put_tf32_settings(values: tuple[str, bool] | None) -> None:
    """Set them to what `tf32_settings` returned."""
    if values is not None:
        with _PRECISION:
            torch.set_float32_matmul_precision(values[0])
            torch.backends.cudnn.allow_tf32 = values[1]


def describe(device: torch.device) -> str:
    """The device as attempts name it, such as ``cuda:0 NVIDIA H200``."""
    if device.type == "cuda":
        return f"{device} {torch.cuda.get_device_name(device)}"
    return f"cpu ({torch.get_num_threads()} threads)"


def default_batch_size(device: torch.device, shape: tuple[int, ...]) -> int:
    """A sensible batch size for images of ``shape`` (channels, height, width) on ``device``.

    A power of two: 256 digits or 16 to 32 photographs on a CPU, where larger batches gain little;
    256 photographs of 224 x 224 on a GPU.
    """
    values, low, high = (CUDA_VALUES, 32, 1024) if device.type == "cuda" else (CPU_VALUES, 16, 256)
    fitting = values // (shape[0] * shape[1] * shape[2])
    return max(low, min(high, 1 << max(fitting, 1).bit_length() - 1))


def default_model_memory(device: torch.device) -> int:
    """How many bytes of models may stay on ``device`` together: a quarter of its memory.

    On a CPU 4 GiB at most. The rest is for what the passes need.
    """
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory) // 4
    try:
        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system says
        return MOST_ON_CPU
    return min(MOST_ON_CPU, installed // 4)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that the device, or the host, has no memory for this batch."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # ONNX Runtime's exceptions have no base but Exception.
    told = isinstance(error, RuntimeError) or type(error).__module__.startswith("onnxruntime")
    return told and any(words in str(error) for words in _NO_MEMORY)


def release(device: torch.device) -> None:
    """Give back what is held for tensors that are gone."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def runs_ahead(device: torch.device) -> bool:
    """Whether the host can queue work on the device and go on: only a look at a result waits."""
    return device.type == "cuda"


def rows_of_pass(count: int, device: torch.device) -> int:
    """How many rows a pass over ``count`` images has: on a GPU one of a few numbers, 1/4 apart.

    cuDNN plans every layer anew for a number of rows that it has not seen: 20 to 60 ms a pass for
    small networks, and where it compiles depthwise kernels seconds (docs/benchmarks/gpu.md).
    """
    if not runs_ahead(device):
        return count
    if count <= 8:
        return 1 << max(count - 1, 0).bit_length()
    quarter = 1 << (count - 1).bit_length() - 3
    return -(-count // quarter) * quarter


def layout(network: torch.nn.Module, device: torch.device) -> torch.memory_format:
    """The layout of images and weights that ``network`` is fastest in on ``device``.

    Depthwise convolutions of channels-last images are compiled by cuDNN for each number of rows,
    for 1.5 s a pass where other layouts take 20 ms.
    """
    convolutions = [part for part in network.modules() if isinstance(part, torch.nn.Conv2d)]
    depthwise = any(part.groups == part.in_channels > 1 for part in convolutions)
    if not convolutions or (depthwise and device.type == "cuda"):
        return torch.contiguous_format
    return torch.channels_last


def rounds_between_looks(device: torch.device) -> int:
    """How many rounds the host lets pass between looks at which slots have finished."""
    return ROUNDS_BETWEEN_LOOKS if runs_ahead(device) else 1


def pinned(values: Tensor, device: torch.device) -> Tensor:
    """``values``, on the host, where ``device`` fetches them from fastest."""
    return values.pin_memory() if device.type == "cuda" and not values.is_cuda else values


def sent(values: Tensor, device: torch.device) -> Tensor:
    """``values`` on ``device``, without a wait; on the device that they are on, themselves."""
    return pinned(values, device).to(device, non_blocking=True)


class Glance:
    """Values of a device as they are once all that is queued now is done.

    Unlike `harness.api.look` it leaves newer work in the queue: the device is never idle for it.
    ``values`` must not be changed before they are `seen`.
    """

    def __init__(self, values: Tensor) -> None:
        self._values = values
        self._event: torch.cuda.Event | None = None
        if runs_ahead(values.device):
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record(torch.cuda.current_stream(values.device))

    def seen(self) -> Tensor:
        """The values, on the host."""
        if self._event is not None:
            self._event.synchronize()
        return self._values


def synchronise(device: torch.device) -> None:
    """Wait for all that is queued on ``device``."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def forget_peak(device: torch.device) -> None:
    """`peak_bytes` counts from here on, where the system allows it."""
    release(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError, AttributeError):  # not Linux with glibc: since the start
        ctypes.CDLL(None).malloc_trim(0)
        _PROC.joinpath("clear_refs").write_text("5")


def peak_bytes(device: torch.device) -> int:
    """The most memory since `forget_peak`: torch's on a GPU, else all that the process held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        status = _PROC.joinpath("status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
