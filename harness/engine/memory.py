"""How many images share a pass, and how many bytes of models stay in memory."""

from __future__ import annotations

import os

import torch

CPU_VALUES, CUDA_VALUES = 3_000_000, 40_000_000
"""Input values (channels x height x width x images) that one pass may hold."""

MOST_ON_CPU = 4 * 1024**3


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
