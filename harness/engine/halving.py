"""The only loop that halves a batch size: where a device has no memory for a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch

from harness.api import ModelError
from harness.engine.device import is_out_of_memory, release

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


class BatchSize:
    """How many images share a pass on a device: halved for good when memory runs out.

    Args:
        on_halving: called with the new size, before the smaller batch is tried; later work on the
            same model begins with it.

    Attributes:
        images: the size.
    """

    def __init__(
        self, images: int, device: torch.device, on_halving: Callable[[int], None]
    ) -> None:
        self.images = images
        self._device, self._on_halving = device, on_halving

    def stream(self, run: Callable[[int], Iterable[_Found]]) -> Iterator[_Found]:
        """What ``run`` yields when called with the size, and again with half of it as often as
        memory runs out: ``run`` resumes where it was.

        Raises:
            ModelError: there is no memory for a single image.
        """
        while True:
            try:
                yield from run(self.images)
                return
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if self.images == 1:
                    raise ModelError(
                        f"out of memory with a single image{_said(error)}",
                        hint="use a device with more memory",
                    ) from error
            # The error is gone here, and with it the tensors that its frames held.
            self.images //= 2
            self._on_halving(self.images)
            release(self._device)

    def parts(
        self, run: Callable[[Sequence[_Item]], _Found], items: Sequence[_Item]
    ) -> Iterator[_Found]:
        """What ``run`` makes of ``items``, as many at a time as there is memory for.

        Raises:
            ModelError: there is no memory for a single one.
        """
        done = 0

        def rest(size: int) -> Iterator[_Found]:
            nonlocal done
            while done < len(items):
                found = run(items[done : done + size])
                done += size
                yield found

        return self.stream(rest)


def _said(error: Exception) -> str:
    """The runtime's own words, where they do not speak of memory: it may be something else."""
    first = (str(error).splitlines() or [""])[0]
    plain = not first or any(word in first.lower() for word in ("memory", "alloc"))
    return "" if plain else f" ({first})"
