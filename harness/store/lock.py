"""One writer: an advisory lock on ``<database>.lock``, held for the writer's life.

The kernel drops the lock when its owner dies, however it dies. What stays behind then is the file
with the owner's name, which the next writer takes over.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import StoreError
from harness.store.database import file_errors

TRIES, PAUSE = 4, 0.05
"""`is_held` takes the lock for a moment; a writer does not mistake that for another writer."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that writes a database."""

    pid: int
    host: str
    command: str
    since: str

    def __str__(self) -> str:
        return f"`{self.command}` (pid {self.pid} on {self.host}, since {self.since})"


class Lock:
    """The held lock. ``stale`` is the owner that died without releasing it, if there was one."""

    def __init__(self, path: Path, descriptor: int, stale: Owner | None) -> None:
        self.path, self.stale = path, stale
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, database: Path, command: Sequence[str]) -> Lock:
        """Become the database's only writer.

        Raises:
            StoreError: another process is, or the file cannot be made.
        """
        path = lock_path(database)
        owner: Owner | None = None
        with file_errors(path):
            for _ in range(TRIES):
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
                owner = _read(descriptor)
                if _try(descriptor, fcntl.LOCK_EX) and _is_at(descriptor, path):
                    stale = _read(descriptor)
                    _write(descriptor, command)
                    return cls(path, descriptor, stale)
                os.close(descriptor)
                time.sleep(PAUSE)
        raise StoreError(
            f"busy: {owner or 'another process'} is writing it",
            where=str(database),
            hint="wait for it, or name another --db",
        )

    def disown(self) -> None:
        """Take the owner's name away: the process is about to end, and not by an accident."""
        os.ftruncate(self._descriptor, 0)

    def release(self) -> None:
        """Remove the file and let go; a second call does nothing."""
        if self._descriptor < 0:
            return
        with suppress(OSError):  # the folder may have become read-only
            os.ftruncate(self._descriptor, 0)
            self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = -1


def lock_path(database: Path) -> Path:
    """The lock's file; the same one for every name of the database."""
    return Path(f"{database.resolve()}.lock")


def is_held(database: Path) -> bool:
    """Whether a living process is writing the database."""
    try:
        descriptor = os.open(lock_path(database), os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the file is still the one at ``path``: its last owner may just have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> Owner | None:
    try:
        return Owner(**json.loads(os.pread(descriptor, 65536, 0)))
    except (ValueError, TypeError):
        return None  # empty, or being written this moment


def _write(descriptor: int, command: Sequence[str]) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    owner = Owner(os.getpid(), socket.gethostname(), shlex.join(command), now)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(owner)).encode(), 0)
