"""Files that are whole or not there: written beside their place, which they take at the end."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import ConfigError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write beside ``path``, which takes its place once the block is through.

    Raises:
        ConfigError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        _remove_leftovers(path)
        with partial.open("wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # as long as this process lives
            yield partial
            os.fsync(held.fileno())
            partial.replace(path)
    except OSError as error:
        raise ConfigError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            hint="make room, or name another file",
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _remove_leftovers(path: Path) -> None:
    """Remove what exports to ``path`` that were killed had written."""
    name = re.compile(rf"\.{re.escape(path.name)}\.\d+\.partial")
    for file in [file for file in path.parent.iterdir() if name.fullmatch(file.name)]:
        with suppress(OSError), file.open("rb") as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink()
