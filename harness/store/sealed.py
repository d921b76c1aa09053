"""Sealed files of saved images: how one is written, and whether it is unchanged."""

from __future__ import annotations

import json
import math
import shutil
import stat
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO

from harness.identity import file_sha256

FLOAT_BYTES = 4


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


def problem(path: Path, sha256: str) -> str | None:
    """What is wrong with the sealed file at ``path``; None: it is the one of this hash.

    It is read once in the life of a process, unless it changes. Any thread may ask.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return "is no file"
        version = (found.st_ino, found.st_size, found.st_mtime_ns)
        return None if _sha256(path, version) == sha256 else "is damaged"
    except FileNotFoundError:
        return "is gone"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


@cache
def _sha256(path: Path, version: tuple[int, int, int]) -> str:
    return file_sha256(path)
