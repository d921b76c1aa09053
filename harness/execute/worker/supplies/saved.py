"""Saved adversarial examples on a worker's host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import StoreError
from harness.execute.worker.supplies.requests import Ask, IntactRequest, RowsRequest, fetched
from harness.sealed import SavedRow, is_intact, read_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SavedExamples:
    """Reads saved adversarial examples: from this host's files, else from the driver's.

    Any thread may call it.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def read(self, rows: Sequence[SavedRow]) -> NDArray[np.float32]:
        """The pixels, float32 (n, channels, height, width).

        Raises:
            StoreError: a file is gone or damaged on the driver's host too, or what it sends is.
        """
        if all(is_intact(file) for file in {row.file for row in rows}):
            return read_rows(rows)
        names = [(row.file.name, row.row) for row in rows]
        parts: list[NDArray[np.float32]] = []
        while names:
            part = fetched(self._ask, RowsRequest(tuple(names)), StoreError)
            parts.append(part)
            names = names[len(part) :]
        return np.concatenate(parts)

    def is_intact(self, file: Path) -> bool:
        """Whether the examples in ``file`` can be read."""
        if is_intact(file):
            return True
        try:
            return bool(fetched(self._ask, IntactRequest(file.name), StoreError))
        except StoreError:
            return False
