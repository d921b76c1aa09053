"""How many images share a pass."""

from __future__ import annotations

import torch

CPU_VALUES, CUDA_VALUES = 3_000_000, 40_000_000
"""Input values (channels x height x width x images) that one pass may hold."""


def default_batch_size(device: torch.device, shape: tuple[int, ...]) -> int:
    """A sensible batch size for images of ``shape`` (channels, height, width) on ``device``.

    A power of two: 64 digits or 16 to 32 photographs on a CPU, where larger batches gain nothing;
    256 photographs of 224 x 224 on a GPU.
    """
    values, low, high = (CUDA_VALUES, 32, 1024) if device.type == "cuda" else (CPU_VALUES, 16, 64)
    fitting = values // (shape[0] * shape[1] * shape[2])
    return max(low, min(high, 1 << max(fitting, 1).bit_length() - 1))
