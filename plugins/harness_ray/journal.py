"""What a worker is doing in plugins, in a file that outlives it: if it dies, that is known."""

from __future__ import annotations

import faulthandler
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from harness.api import Call


class Journal:
    """The file of this process. What ends the process of itself is noted after the call.

    Args:
        folder: where; the file is called after the process.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"worker-{os.getpid()}.calls"
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        faulthandler.enable(self._descriptor)
        self._exit, os._exit = os._exit, self._exiting  # type: ignore[assignment]

    def call(self, what: str, images: Sequence[tuple[str, str]]) -> None:
        """A plugin is about to be called."""
        self._write(json.dumps([what, [list(image) for image in images]]))

    def idle(self) -> None:
        """No plugin is working."""
        self._write("")

    def end(self, why: str) -> NoReturn:
        """End the process, which a plugin asked for."""
        self._note(why)
        self._exit(1)

    def _write(self, line: str) -> None:
        with suppress(OSError):  # a full disk is no reason to end
            packed = f"{line}\n".encode()
            os.pwrite(self._descriptor, packed, 0)
            os.ftruncate(self._descriptor, len(packed))
            os.lseek(self._descriptor, 0, os.SEEK_END)  # where an end is noted

    def _note(self, why: str) -> None:
        with suppress(OSError):
            os.write(self._descriptor, f"{why}\n".encode())

    def _exiting(self, code: int) -> NoReturn:
        self._note(f"os._exit({code})")
        self._exit(code)


def last_words(path: Path) -> tuple[Call | None, str]:
    """The call that a process ended in, and how it did; None and "": somebody else ended it.

    It removes the file.
    """
    try:
        line, _, rest = path.read_text(encoding="utf-8", errors="replace").partition("\n")
        path.unlink(missing_ok=True)
        ended = rest.partition("\n")[0].strip().removeprefix("Fatal Python error: ")
        if not ended or not line:
            return None, ended
        what, images = json.loads(line)
        return Call(what, [(cell, image) for cell, image in images]), ended
    except (OSError, ValueError):
        return None, ""
