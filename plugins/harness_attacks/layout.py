"""Images as the rows of a matrix, in the memory order that the network likes."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.api import Slots


class Layout:
    """Views between images (n, channels, height, width) and rows (n, values); copies nothing.

    On rows every element-wise operation runs over contiguous memory, whatever the memory format,
    and numbers of shape (n, 1) broadcast over an image.
    """

    def __init__(self, slots: Slots) -> None:
        self._shape = slots.shape
        self._last = slots.memory_format is torch.channels_last

    def rows(self, images: Tensor) -> Tensor:
        """``images`` as rows; a copy only where they come in another memory format."""
        ordered = images.permute(0, 2, 3, 1) if self._last else images
        return ordered.reshape(len(images), -1)

    def images(self, rows: Tensor) -> Tensor:
        """``rows`` as images."""
        channels, height, width = self._shape
        if self._last:
            return rows.view(-1, height, width, channels).permute(0, 3, 1, 2)
        return rows.view(-1, channels, height, width)


class Schedule:
    """Numbers that depend on the iteration, for rows that are at iterations of their own.

    Args:
        columns: a list for each number, with an entry for each iteration.
    """

    def __init__(self, columns: list[list[float]], device: torch.device) -> None:
        table = torch.tensor(columns, dtype=torch.float64).t()
        self._table = table.to(torch.float32).contiguous().to(device, non_blocking=True)

    def at(self, iteration: Tensor) -> tuple[Tensor, ...]:
        """Each number at ``iteration`` (n,), as (n, 1)."""
        numbers = self._table.index_select(0, iteration)
        return tuple(numbers[:, column, None] for column in range(numbers.shape[1]))
