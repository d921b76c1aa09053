"""What the system refuses a process: memory, file descriptors, room on the disk."""

from __future__ import annotations

import errno
import os

from harness.errors import MissingError

_MEMORY = ("failed to map segment", "cannot allocate memory", "can't allocate memory")


def exhausted(error: BaseException) -> MissingError | None:
    """What is missing, if that is why ``error`` was raised; else None."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return MissingError(
            "too few files may be open at a time",
            where=_place(error),
            hint="raise the limit (`ulimit -n 1024`), or close other programs",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MissingError("the disk is full", where=_place(error), hint="make room")
    no_memory = isinstance(error, OSError) and error.errno == errno.ENOMEM
    said = str(error).lower()
    if no_memory or isinstance(error, MemoryError) or any(part in said for part in _MEMORY):
        return MissingError(
            "there is not enough memory",
            hint="close other programs, raise the limit (`ulimit -v`), or take `--devices cpu:1`"
            " and a smaller `--batch-size`",
        )
    return None


def _place(error: OSError) -> str | None:
    name = error.filename
    return os.fsdecode(name) if isinstance(name, str | bytes) else None
