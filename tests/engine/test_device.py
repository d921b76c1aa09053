"""The device: what says that its memory is full, what it is called, and who may tell it apart."""

from __future__ import annotations

import ast
from pathlib import Path

import onnxruntime
import pytest
import torch

import harness
from harness.api import ConfigError, ModelError
from harness.engine import device
from harness.engine.device import (
    is_out_of_memory,
    layout,
    release,
    resolve_device,
    rounds_between_looks,
    rows_of_pass,
)
from harness.engine.halving import BatchSize

CPU = torch.device("cpu")


ORT = onnxruntime.capi.onnxruntime_pybind11_state
CALL = (
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:129 std::conditional_t<THRW, "
    "void, onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, "
    "SUCCTYPE, const char*, const char*, int) [with ERRTYPE = {}; bool THRW = true] "
)
FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total "
                           "capacity of 79.11 GiB of which 1.12 GiB is free."),
    torch.OutOfMemoryError("CUDA out of memory. Allocation was preemptively rejected because it "
                           "would exceed per_process_memory_fraction limit. Requested size: 2 GiB"),
    RuntimeError("CUDA ran out of memory outside PyTorch's allocator. If this workload uses many "
                 "dynamic shapes, cuDNN may need additional device memory"),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:116] . DefaultCPUAllocator: can't allocate "
                 "memory: you tried to allocate 99999999 bytes. Error code 12"),
    torch.AcceleratorError("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in "
                           "https://docs.nvidia.com/cuda/cuda-runtime-api/"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasSgemm( handle, opa, "
                 "opb, m, n, k, &alpha, a, lda, b, ldb, &beta, c, ldc)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling "
                 "`cublasLtCreate(&handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED"),
    RuntimeError("FIND was unable to find an engine to execute this computation"),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
    RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate`"),
    ORT.RuntimeException(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running "
        "Conv node. Name:'Conv_3' Status Message: /onnxruntime_src/onnxruntime/core/framework/"
        "bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, "
        "onnxruntime::Stream*, bool, onnxruntime::WaitNotificationFn) Failed to allocate memory "
        "for requested buffer of size 4585490524"
    ),
    ORT.RuntimeException(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running "
        "Conv node. Name:'Conv_3' Status Message: Available memory of 1048576 is smaller than "
        "requested bytes of 4194304"
    ),
    ORT.RuntimeException(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception during initialization: "
        + CALL.format("cudaError") + "CUDA failure 2: out of memory ; GPU=0 ; hostname=one ; "
        "file=cuda_allocator.cc ; line=70 ; expr=cudaMalloc((void**)&p, size);"
    ),
    ORT.RuntimeException(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception during initialization: "
        + CALL.format("cublasStatus_t") + "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; "
        "hostname=one ; file=cuda_execution_provider.cc ; line=168 ; "
        "expr=cublasCreate(&cublas_handle_);"
    ),
    ORT.Fail(
        "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Conv node. "
        "Name:'Conv_3' Status Message: CUDNN failure 4002: "
        "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ; GPU=0 ; hostname=one"
    ),
]  # fmt: skip
"""Real messages, each as the type that it comes as."""


@pytest.mark.parametrize("error", FULL, ids=range(len(FULL)))
def test_all_runtimes_words_for_a_full_memory_are_understood_and_halve_the_batch(error):
    assert is_out_of_memory(error)

    def run(items):
        if len(items) > 1:
            raise error
        return [*items]

    sizes: list[int] = []
    assert list(BatchSize(4, CPU, sizes.append).parts(run, range(3))) == [[0], [1], [2]]
    assert sizes == [2, 1]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED_SHARED_MEMORY_INSUFFICIENT"),
        # Another version's library, or no driver: cuDNN does not say in which call.
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasSgemm("),
        RuntimeError(
            "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle"
        ),
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        ValueError("out of memory of what was said"),
        ORT.InvalidArgument(
            "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: images"
        ),
        ORT.Fail(
            "[ONNXRuntimeError] : 1 : FAIL : CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED ; "
            "GPU=0 ; hostname=one ; expr=cublasGemmHelper()"
        ),
    ],
)
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)


def test_where_a_single_image_does_not_fit_the_words_in_disguise_are_shown():
    def run(items):
        raise RuntimeError("FIND was unable to find an engine to execute this computation")

    with pytest.raises(ModelError, match=r"with a single image \(FIND was unable"):
        list(BatchSize(2, CPU, lambda size: None).parts(run, range(3)))


def test_a_real_allocation_that_fails_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**62, dtype=torch.int8)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize("name", ["mps", "xpu:1", "meta", "banana", "cuda:x", ""])
def test_a_device_that_is_not_supported_is_one_short_line(name):
    with pytest.raises(ConfigError) as caught:
        resolve_device(name)
    line = str(caught.value)
    assert line == f"device {name!r} is not supported; use cpu or cuda:N"


def test_a_cpu_is_looked_at_after_every_round():
    assert resolve_device("cpu") == CPU
    assert rounds_between_looks(CPU) == 1
    release(CPU)


def _says_cuda(tree: ast.Module) -> list[int]:
    """Lines with a name, an attribute or a string of ``cuda``.

    Docstrings, helps and the name of the environment variable do not count.
    """
    prose = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    prose |= {
        keyword.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in ("metavar", "help")
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and "cuda" in node.attr)
        or (isinstance(node, ast.Name) and "cuda" in node.id.lower())
        or (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and "cuda" in node.value.lower()
            and node.value != "CUDA_VISIBLE_DEVICES"
            and node not in prose
        )
    ]


def test_one_file_of_the_core_tells_a_gpu_from_a_cpu():
    core = Path(harness.__file__).parent
    found = {
        str(file.relative_to(core))
        for file in core.rglob("*.py")
        if _says_cuda(ast.parse(file.read_text(encoding="utf-8")))
    }
    names = {"api/devices.py", "cli/workers.py", "execute/executors/places.py"}
    names |= {"testing/conformance/attacks.py"}  # and no more
    assert found == {"engine/device.py", "testing/fake_gpu.py"} | names


def test_torch_gets_no_more_threads_than_there_are_cores(monkeypatch):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        for cores, threads in ((4, 3), (2, 2)):
            monkeypatch.setattr(device, "usable_cores", lambda cores=cores: cores)
            resolve_device("cpu")
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_passes_on_a_gpu_have_few_numbers_of_rows():
    gpu = torch.device("cuda")
    rows = {count: rows_of_pass(count, gpu) for count in range(1, 1025)}
    assert all(count <= made < 1.25 * count or made <= 8 for count, made in rows.items())
    assert all(made == rows_of_pass(made, gpu) for made in rows.values())
    assert len(set(rows.values())) == 32
    assert rows[256] == 256
    assert [rows_of_pass(count, CPU) for count in (1, 65)] == [1, 65]


@pytest.mark.parametrize(
    ("groups", "kind", "layout_of_it"),
    [
        (1, "cpu", torch.channels_last),
        (8, "cpu", torch.channels_last),
        (1, "cuda", torch.channels_last),
        (2, "cuda", torch.channels_last),
        (8, "cuda", torch.contiguous_format),
    ],
)
def test_depthwise_convolutions_are_not_channels_last_on_a_gpu(groups, kind, layout_of_it):
    network = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, groups=groups))
    assert layout(network, torch.device(kind)) is layout_of_it
    assert layout(torch.nn.Linear(8, 8), torch.device(kind)) is torch.contiguous_format
