"""The device: what says that its memory is full, what it is called, and who may tell it apart."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch

import harness
from harness.api import ConfigError
from harness.engine import device
from harness.engine.device import is_out_of_memory, release, resolve_device, rounds_between_looks

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:116] . DefaultCPUAllocator: can't allocate "
                     "memory: you tried to allocate 99999999 bytes. Error code 12"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED"),
        RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer"),
    ],
)  # fmt: skip
def test_all_runtimes_words_for_a_full_memory_are_understood(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
        RuntimeError("CUDA error: device-side assert triggered"),
        ValueError("out of memory of what was said"),
    ],
)
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)


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
    assert found == {"engine/device.py"}


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
