"""Keeps a cluster of one host: run as a process, it ends all of it when its stdin is closed.

Ray's own clean-up leaves agents behind for minutes where the process that started them is killed.
This one is killed by nobody's Ctrl-C, inherits every orphan of the cluster, and ends with them.
The standard library is all that it needs: arguments are a folder, which it removes, and a command.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LOG = "keeper.log"
"""In the folder: what the command prints."""


def main(folder: Path, command: list[str]) -> None:
    """Run ``command`` until it ends or stdin does."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit())
    try:
        with (folder / LOG).open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),
            )
        while process.poll() is None:
            if select.select([0], [], [], 0.5)[0] and not os.read(0, 1):
                break
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _end_all()
        shutil.rmtree(folder, ignore_errors=True)


def _end_all() -> None:
    """Until there is no child: those of a child that has ended are ours then."""
    while children := _children():
        for child in children:
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        with suppress(OSError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        time.sleep(0.005)


def _children() -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            state = (each / "stat").read_text().rpartition(")")[2].split()
            if int(state[1]) == os.getpid():
                found.append(int(each.name))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
