"""Sealed files of saved adversarial examples: writing, checking and reading one.

A worker reads them without the database, so this is below the store.
"""

from __future__ import annotations

import json
import math
import shutil
import stat
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from harness.errors import StoreError
from harness.identity import file_sha256

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOAT_BYTES = 4
REPAIR = (
    "restore the file; or `harness verify --repair` forgets it, and a run makes its images again"
)


class SavedRow(NamedTuple):
    """Where the pixels of an adversarial example lie; a tuple, because there are many."""

    file: Path
    row: int


def write(rows: BinaryIO, file: BinaryIO, *, cell: str, shape: Sequence[int]) -> None:
    """Write the safetensors file of a tensor ``images`` of this shape, float32, from its bytes.

    Byte for byte what the library writes; but it would map all of them into memory, and make a file
    whose mode ignores the umask.
    """
    size = math.prod(shape) * FLOAT_BYTES
    tensor = {"dtype": "F32", "shape": list(shape), "data_offsets": [0, size]}
    about = {"__metadata__": {"cell": cell}, "images": tensor}
    header = json.dumps(about, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    file.write(struct.pack("<Q", len(header)) + header)
    shutil.copyfileobj(rows, file)
    file.truncate(8 + len(header) + size)  # of what a failed append left behind the last row


def read_rows(rows: Sequence[SavedRow]) -> NDArray[np.float32]:
    """The pixels, float32 (n, channels, height, width): neighbours in a file are read at once.

    Any thread may call it.

    Raises:
        StoreError: a file is gone or damaged.
    """
    parts: list[NDArray[np.float32]] = []
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end] != (rows[end - 1].file, rows[end - 1].row + 1):
            parts.append(_read(rows[start], end - start))
            start = end
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def is_intact(file: Path) -> bool:
    """Whether the sealed file, whose name is its hash, is as it was written."""
    return problem(file, file.stem) is None


def problem(path: Path, sha256: str) -> str | None:
    """What is wrong with the sealed file at ``path``; None: it is the one of this hash.

    It is read once per process, unless it changes. Any thread may ask.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return "is not a file"
        version = (found.st_ino, found.st_size, found.st_mtime_ns)
        return None if _sha256(path, version) == sha256 else "is damaged"
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


@cache
def _sha256(path: Path, version: tuple[int, int, int]) -> str:
    return file_sha256(path)


def _read(first: SavedRow, count: int) -> NDArray[np.float32]:
    """``count`` rows of a sealed file, from ``first`` on."""
    from safetensors import SafetensorError, safe_open

    file, start = first
    if wrong := problem(file, file.stem):
        raise StoreError(f"saved images: the file {wrong}", where=str(file), hint=REPAIR)
    try:
        with safe_open(file, framework="numpy") as opened:
            rows: NDArray[np.float32] = opened.get_slice("images")[start : start + count]
    except (OSError, SafetensorError, ValueError, IndexError) as error:
        raise StoreError(
            f"saved images cannot be read ({error})", where=str(file), hint=REPAIR
        ) from error
    if len(rows) != count:
        raise StoreError("holds fewer images than the database says", where=str(file))
    return rows
