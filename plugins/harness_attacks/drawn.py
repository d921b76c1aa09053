"""Signs and places from the standard normal numbers that an image is given."""

from __future__ import annotations

import torch
from torch import Tensor


def signs(noise: Tensor) -> Tensor:
    """1 or -1, int16."""
    return 1 - 2 * (noise < 0).to(torch.int16)


def uniform(noise: Tensor) -> Tensor:
    """Between 0 and 1; in float64, alike on every device."""
    found: Tensor = torch.special.ndtr(noise.double())
    return found


def places(noise: Tensor, room: Tensor) -> Tensor:
    """One of 0 ... ``room`` (integers that broadcast with ``noise``), int16."""
    return torch.minimum((uniform(noise) * (room + 1)).floor_(), room).to(torch.int16)
